// SPDX-License-Identifier: Apache-2.0
#include "cuda/monitor.hpp"

#include "common/summary.hpp"
#include "cuda/nvml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace convscale::cuda {
namespace {

using nvml::Functions;
using nvml::Status;

/// Less than this share of the time in the driver's counters is not worth a warning.
constexpr double kLeastShare = 0.01;

struct Cause {
  const char* name;
  std::uint64_t reasons;  ///< any of these bits
  std::uint64_t unless;   ///< but none of these, which name the cause more closely
  std::optional<double> ClockSample::*violation_s;
};
constexpr std::array<Cause, 5> kCauses = {{
    {"its power limit", nvml::kSoftwarePowerCap, 0, &ClockSample::power_violation_s},
    {"its temperature", nvml::kSoftwareThermalSlowdown | nvml::kHardwareThermalSlowdown, 0,
     &ClockSample::thermal_violation_s},
    {"the power brake of its supply", nvml::kHardwarePowerBrake, 0, nullptr},
    {"its hardware (heat or a peak of power)", nvml::kHardwareSlowdown,
     nvml::kHardwareThermalSlowdown | nvml::kHardwarePowerBrake, nullptr},
    {"the clock of another device (sync boost)", nvml::kSyncBoost, 0, nullptr},
}};

/// " (SM clock 1.41 GHz of 1.98 GHz)", as far as it is known.
std::string clock_text(std::optional<double> lowest_hz, std::optional<double> max_sm_clock_hz) {
  if (!lowest_hz) return "";
  const std::string of =
      max_sm_clock_hz ? fmt::format(" of {:.2f} GHz", *max_sm_clock_hz / 1e9) : "";
  return fmt::format(" (SM clock {:.2f} GHz{})", *lowest_hz / 1e9, of);
}

/// The share of the time from the first sample to the last in which a counter ran.
double counted_share(std::span<const ClockSample> samples,
                     std::optional<double> ClockSample::*counter) {
  if (counter == nullptr || samples.size() < 2) return 0;
  const ClockSample &first = samples.front(), &last = samples.back();
  if (!(first.*counter) || !(last.*counter) || !first.time_s || !last.time_s) return 0;
  const double elapsed_s = *last.time_s - *first.time_s;
  return elapsed_s <= 0 ? 0 : (*(last.*counter) - *(first.*counter)) / elapsed_s;
}

std::string slowdown_by(const Cause& cause, int device, std::span<const ClockSample> samples,
                        std::optional<double> max_sm_clock_hz) {
  int known = 0, slow = 0;
  std::optional<double> lowest_hz;
  for (const ClockSample& sample : samples.subspan(1)) {
    if (!sample.reasons) continue;
    ++known;
    if ((*sample.reasons & cause.reasons) == 0 || (*sample.reasons & cause.unless) != 0) continue;
    ++slow;
    if (sample.sm_clock_hz) {
      lowest_hz = std::min(*sample.sm_clock_hz, lowest_hz.value_or(*sample.sm_clock_hz));
    }
  }
  if (slow > 0) {
    return fmt::format("device {} was slowed down by {} in {} of {} samples{}", device, cause.name,
                       slow, known, clock_text(lowest_hz, max_sm_clock_hz));
  }
  // Samples may all have missed it.
  const double share = counted_share(samples, cause.violation_s);
  if (share < kLeastShare) return "";
  return fmt::format(
      "device {} was slowed down by {} for {:.0f} % of the time, as its driver counts", device,
      cause.name, 100 * share);
}

/// What `function` says of the device, in units of `unit`; null if the driver has no such function,
/// or the device no such thing.
template <class... Parameters>
std::optional<double> ask(double unit, Status (*function)(nvml::Device, Parameters...),
                          nvml::Device device, auto... kind) {
  unsigned value = 0;
  if (function == nullptr || function(device, kind..., &value) != Status::kSuccess) {
    return std::nullopt;
  }
  return unit * value;
}

}  // namespace

std::vector<std::string> slowdowns(int device, std::span<const ClockSample> samples,
                                   std::optional<double> max_sm_clock_hz) {
  std::vector<std::string> lines;
  if (samples.empty()) return lines;
  for (const Cause& cause : kCauses) {
    std::string line = slowdown_by(cause, device, samples, max_sm_clock_hz);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::optional<Monitor> Monitor::open(int device, const std::string& pci_bus_id) {
  const Functions* nvml = Functions::get();
  nvml::Device handle = nullptr;
  if (nvml == nullptr || nvml->device_by_bus_id(pci_bus_id.c_str(), &handle) != Status::kSuccess) {
    return std::nullopt;
  }
  return Monitor(device, handle);
}

void Monitor::sample() {
  const Functions& nvml = *Functions::get();
  ClockSample sample;
  unsigned long long reasons = 0;
  if (nvml.event_reasons != nullptr && nvml.event_reasons(handle_, &reasons) == Status::kSuccess) {
    sample.reasons = reasons;
  }
  sample.sm_clock_hz = ask(1e6, nvml.clock, handle_, nvml::Clock::kSm);
  for (const auto& [policy, counter] :
       {std::pair(nvml::Policy::kPower, &ClockSample::power_violation_s),
        std::pair(nvml::Policy::kThermal, &ClockSample::thermal_violation_s)}) {
    nvml::ViolationTime time{};
    if (nvml.violation == nullptr || nvml.violation(handle_, policy, &time) != Status::kSuccess) {
      continue;
    }
    sample.*counter = 1e-9 * static_cast<double>(time.violation_ns);
    sample.time_s = 1e-6 * static_cast<double>(time.reference_us);
  }
  samples_.push_back(sample);
}

void Monitor::describe(DeviceInfo& info) const {
  const Functions& nvml = *Functions::get();
  std::array<char, 96> version{};
  if (nvml.driver_version != nullptr &&
      nvml.driver_version(version.data(), static_cast<unsigned>(version.size())) ==
          Status::kSuccess) {
    info.driver_version = version.data();
  }
  info.max_sm_clock_hz = ask(1e6, nvml.max_clock, handle_, nvml::Clock::kSm);
  info.memory_clock_hz = ask(1e6, nvml.clock, handle_, nvml::Clock::kMemory);
  info.power_limit_w = ask(1e-3, nvml.power_limit, handle_);
  std::vector<double> clocks_hz;
  for (std::size_t i = 1; i < samples_.size(); ++i) {
    if (samples_[i].sm_clock_hz) clocks_hz.push_back(*samples_[i].sm_clock_hz);
  }
  info.sm_clock_hz.reset();
  if (!clocks_hz.empty()) info.sm_clock_hz = median_of(clocks_hz);
}

std::vector<std::string> Monitor::slowdowns() const {
  return cuda::slowdowns(device_, samples_,
                         ask(1e6, Functions::get()->max_clock, handle_, nvml::Clock::kSm));
}

}  // namespace convscale::cuda
