// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convscale::cuda {

/// What a device says of its clocks at one moment; null is unknown.
struct ClockSample {
  std::optional<std::uint64_t> reasons;  ///< NVML's bit mask of why clocks are not at their most
  std::optional<double> sm_clock_hz;
  /// Counters: for how long power or heat has held the clock down so far, and the time of them.
  std::optional<double> power_violation_s;
  std::optional<double> thermal_violation_s;
  std::optional<double> time_s;
};

/// Why and how often a device was slowed down, a line each; none if it was not. `samples` are in
/// the order of time, the first one from before the work. An idle device, and clocks that somebody
/// has set, are not slowed down.
std::vector<std::string> slowdowns(int device, std::span<const ClockSample> samples,
                                   std::optional<double> max_sm_clock_hz);

/// Watches one device through the driver's NVML library, which is loaded at run time. Nothing here
/// throws: what cannot be found out stays unknown.
class Monitor {
 public:
  /// Takes the sample from before the work. Null where there is no NVML, or it does not know the
  /// device. `pci_bus_id`: "0000:3b:00.0".
  static std::optional<Monitor> open(int device, const std::string& pci_bus_id);

  /// After each iteration.
  void sample();

  /// Fills in driver, clocks and power limit, those that are known; the SM clock is the median of
  /// the samples that were taken after open().
  void describe(DeviceInfo& info) const;
  std::vector<std::string> slowdowns() const;

 private:
  Monitor(int device, void* handle) : device_(device), handle_(handle) { sample(); }

  int device_;
  void* handle_;  ///< NVML's
  std::vector<ClockSample> samples_;
};

}  // namespace convscale::cuda
