// SPDX-License-Identifier: Apache-2.0
#include "cuda/nvml.hpp"

#include <optional>

namespace convscale::cuda::nvml {
namespace {

std::optional<Functions> load() {
  const SharedLibrary library = load_library("libnvidia-ml.so.1");
  Functions f;
  library.resolve("nvmlInit_v2", f.init);
  library.resolve("nvmlSystemGetDriverVersion", f.driver_version);
  library.resolve("nvmlDeviceGetHandleByPciBusId_v2", f.device_by_bus_id);
  library.resolve("nvmlDeviceGetClockInfo", f.clock);
  library.resolve("nvmlDeviceGetMaxClockInfo", f.max_clock);
  library.resolve("nvmlDeviceGetEnforcedPowerLimit", f.power_limit);
  library.resolve("nvmlDeviceGetViolationStatus", f.violation);
  if (!library.resolve("nvmlDeviceGetCurrentClocksEventReasons", f.event_reasons)) {
    library.resolve("nvmlDeviceGetCurrentClocksThrottleReasons", f.event_reasons);
  }
  if (f.init == nullptr || f.device_by_bus_id == nullptr) return std::nullopt;
  if (f.init() != Status::kSuccess) return std::nullopt;
  return f;
}

}  // namespace

const Functions* Functions::get() {
  static const std::optional<Functions> kLoaded = load();
  return kLoaded ? &*kLoaded : nullptr;
}

}  // namespace convscale::cuda::nvml
