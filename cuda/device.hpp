// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "cuda/kernel.hpp"

#include <string>
#include <vector>

namespace convscale::cuda {

/// Why this machine has no device for us (no driver, one that is too old, no device); empty if it
/// has one.
std::string why_no_device();

/// How many devices there are, whether they are of use to us or not; 0 where there is no driver.
int device_count();

/// The devices that `wanted` names, all where it is empty. Throws UnsupportedError where there are
/// none, one of them does not exist, or this program has no code for it.
std::vector<int> choose_devices(const std::vector<int>& wanted);

/// What the driver says of device `index`, which exists.
DeviceInfo describe(int index);
DeviceLimits limits_of(int index);

/// Bytes that can be allocated on the current device now, less what the runtime needs for itself.
std::int64_t free_bytes();

/// A line for each device, or one that says why there is none.
std::vector<Listing> list_devices();

}  // namespace convscale::cuda
