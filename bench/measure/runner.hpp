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

/// The record of a configuration without times.
Record not_measured(const Config& config, Status status, const std::string& reason);

/// Measures one configuration; what goes wrong is part of its record. Throws UsageError: its data
/// cannot be used.
Outcome measure(const Config& config, const Workload& workload, const MeasureContext& context);

/// Measures all of `configs`, one iteration of each in turn, until each has enough; outcomes in
/// their order. One that fails, or runs out of time, drops out of the turn. Throws ResourceError
/// where memory does not hold all of them at once, before anything is measured, and UsageError.
std::vector<Outcome> measure_interleaved(std::span<const Config> configs,
                                         const std::function<Workload(const Config&)>& workload_of,
                                         const MeasureContext& context);

}  // namespace convscale
