// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/workload.hpp"
#include "bench/measure/measurement.hpp"
#include "bench/report/record.hpp"
#include "common/error.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace convscale {

/// How one configuration ended.
struct Outcome {
  Record record;
  ExitCode code = ExitCode::kOk;
};

using WorkloadOf = std::function<Workload(const Config&)>;

/// The record of a configuration without times.
Record not_measured(const Config& config, Status status, const std::string& reason);

/// Measures `configs` together, one iteration of each in turn, until each has enough; outcomes in
/// their order. What goes wrong with one is part of its record: it drops out of the turn, as does
/// one that runs out of time. Throws UsageError where data cannot be used, unless that would lose
/// rows; and ResourceError where memory does not hold all of several at once, before anything is
/// measured.
std::vector<Outcome> measure(std::span<const Config> configs, const WorkloadOf& workload_of,
                             const MeasureContext& context);

}  // namespace convscale
