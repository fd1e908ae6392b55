// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"

#include <string>
#include <vector>

namespace convscale {

/// A row of the table, before it is measured.
struct Row {
  Config config;
  std::string impossible;  ///< why it cannot be measured, known beforehand; else empty
};

/// The rows of `configs`, in their order. A kernel's name that only other backends of the run know
/// makes a row impossible. Throws UsageError for a backend that `table` lacks, for a kernel that no
/// backend of the run knows, and for devices that were chosen where there are none to choose from,
/// or more than a row has workers.
std::vector<Row> make_rows(const std::vector<Config>& configs, const BackendTable& table);

/// The entry called `name`. Throws UsageError.
const BackendEntry& find_backend(const BackendTable& table, const std::string& name);

}  // namespace convscale
