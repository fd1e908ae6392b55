// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/progress.hpp"
#include "common/backend.hpp"
#include "common/record.hpp"
#include "common/workload.hpp"

#include <functional>

namespace convscale {

class ThreadTeam;

/// What the runner needs beside the configuration.
struct RunContext {
  const BackendTable& backends;
  ThreadTeam& helpers;  ///< for everything outside of the timed region
  Progress& progress;
  std::function<bool()> interrupted;
  /// Called once with the last iteration's results, after they were verified.
  std::function<void(const Config&, const HostBuffers&)> on_results;
};

/// Measures one configuration. The record says how it ended: `ok`, `failed` (a result was wrong) or
/// `interrupted`. Throws UsageError, UnsupportedError and ResourceError.
Record measure(const Config& config, const Workload& workload, const RunContext& context);

}  // namespace convscale
