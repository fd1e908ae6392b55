// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/shared_library.hpp"

/// The few functions and constants of NVML that are used here. Its header comes with some toolkits
/// only, while the library comes with every driver; so they are declared here, as the NVML API
/// reference does. They are part of its stable interface.
namespace convscale::cuda::nvml {

using Device = void*;
enum class Status : int { kSuccess = 0 };
enum class Clock : int { kSm = 1, kMemory = 2 };
enum class Policy : int { kPower = 0, kThermal = 1 };

struct ViolationTime {
  unsigned long long reference_us;  ///< time of the counter
  unsigned long long violation_ns;
};

/// Bits of "clocks event reasons", which older drivers call "throttle reasons".
inline constexpr unsigned long long kSoftwarePowerCap = 0x04;
inline constexpr unsigned long long kHardwareSlowdown = 0x08;  ///< also set with the next but two
inline constexpr unsigned long long kSyncBoost = 0x10;
inline constexpr unsigned long long kSoftwareThermalSlowdown = 0x20;
inline constexpr unsigned long long kHardwareThermalSlowdown = 0x40;
inline constexpr unsigned long long kHardwarePowerBrake = 0x80;

/// Functions that this driver lacks are null.
struct Functions {
  Status (*init)() = nullptr;
  Status (*driver_version)(char* text, unsigned bytes) = nullptr;
  Status (*device_by_bus_id)(const char* bus_id, Device* device) = nullptr;
  Status (*clock)(Device device, Clock clock, unsigned* megahertz) = nullptr;
  Status (*max_clock)(Device device, Clock clock, unsigned* megahertz) = nullptr;
  Status (*power_limit)(Device device, unsigned* milliwatts) = nullptr;
  Status (*event_reasons)(Device device, unsigned long long* reasons) = nullptr;
  Status (*violation)(Device device, Policy policy, ViolationTime* time) = nullptr;

  /// Null where the driver's library is not there, or cannot be initialised. Loaded once.
  static const Functions* get();
};

}  // namespace convscale::cuda::nvml
