// SPDX-License-Identifier: Apache-2.0
// Devices and what they say of themselves: in the likeness of an H200, but for what Options set.
#include "tests/cuda/standin/grid.hpp"
#include "tests/cuda/standin/runtime.hpp"

#include <cstdio>

using convscale::standin::call;
using convscale::standin::Driver;
using convscale::standin::Needs;
using convscale::standin::Runtime;

namespace {

bool exists(const Runtime& runtime, int device) {
  return device >= 0 && device < runtime.options.devices;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", Needs::kNothing, [=](Runtime& runtime) {
    const Driver driver = runtime.options.driver;
    *version = driver == Driver::kMissing ? 0 : CUDART_VERSION;
    if (driver == Driver::kTooOld) *version -= 1000;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", Needs::kDriver, [=](Runtime& runtime) {
    *count = runtime.options.devices;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", Needs::kDriver, [=](Runtime& runtime) {
    if (!exists(runtime, device)) return cudaErrorInvalidDevice;
    runtime.current_device() = device;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call("cudaGetDevice", Needs::kDriver, [=](Runtime& runtime) {
    *device = runtime.current_device();
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call("cudaGetDeviceProperties", Needs::kDriver, [=](Runtime& runtime) {
    if (!exists(runtime, device)) return cudaErrorInvalidDevice;
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "CUDA stand-in %d", device);
    properties->totalGlobalMem = runtime.options.memory_bytes;
    properties->major = 9;
    properties->multiProcessorCount = 2;  // few, as measurements fill a device with threads
    properties->l2CacheSize = runtime.options.l2_bytes;
    properties->maxThreadsPerMultiProcessor = convscale::standin::kThreadsPerMultiprocessor;
    properties->sharedMemPerBlockOptin = convscale::standin::kMaxSharedBytes;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return call("cudaDeviceGetPCIBusId", Needs::kDriver, [=](Runtime& runtime) {
    if (!exists(runtime, device)) return cudaErrorInvalidDevice;
    // Of a domain that no machine has.
    std::snprintf(id, static_cast<std::size_t>(length), "FFFF:%02X:00.0", device + 1);
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
