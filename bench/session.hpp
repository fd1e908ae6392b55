// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/cli/options.hpp"
#include "bench/cli/rows.hpp"
#include "bench/ranks/ranks.hpp"
#include "common/error.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace convscale {

/// Measures `rows` in their order, and when a GPU pays, if they tell; prints, and writes the files
/// that `options` name. A row that cannot run, or fails, does not stop those behind it. Throws
/// ResourceError before the first row where an output cannot be written, and UsageError where the
/// data cannot be used and nothing has run yet. Collective; rank 0 alone prints and writes.
ExitCode run_rows(const std::vector<std::string>& args, const Options& options,
                  const std::vector<Row>& rows, const BackendTable& backends, Ranks& ranks,
                  std::ostream& out, std::ostream& err);

}  // namespace convscale
