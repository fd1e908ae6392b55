// SPDX-License-Identifier: Apache-2.0
// Devices and what they say of themselves: in the likeness of an H200, but for what Options set.
#include "tests/cuda/standin/grid.hpp"
#include "tests/cuda/standin/runtime.hpp"

#include <cstdio>

namespace convscale::standin {
namespace {

constexpr int kClockKhz = 1980000;
constexpr int kMemoryClockKhz = 3201000;
constexpr int kPciDomain = 0xFFFF;  // that no machine has

bool exists(const Runtime& runtime, int device) {
  return device >= 0 && device < runtime.options.devices;
}

cudaDeviceProp properties_of(const Options& options, int device) {
  cudaDeviceProp p{};
  std::snprintf(p.name, sizeof p.name, "CUDA stand-in %d", device);
  p.totalGlobalMem = options.memory_bytes;
  p.sharedMemPerBlock = 48 << 10;
  p.regsPerBlock = 65536;
  p.warpSize = 32;
  p.memPitch = 0x7FFFFFFF;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7FFFFFFF;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = 64 << 10;
  p.major = options.compute_capability_major;
  p.minor = options.compute_capability_minor;
  p.multiProcessorCount = options.multiprocessors;
  p.canMapHostMemory = p.concurrentKernels = p.ECCEnabled = p.unifiedAddressing = 1;
  p.pciDomainID = kPciDomain;
  p.pciBusID = device + 1;
  p.asyncEngineCount = 3;
  p.memoryBusWidth = 6144;
  p.l2CacheSize = options.l2_bytes;
  p.maxThreadsPerMultiProcessor = options.threads_per_multiprocessor;
  p.sharedMemPerMultiprocessor = 228 << 10;
  p.regsPerMultiprocessor = 65536;
  p.sharedMemPerBlockOptin = kMaxSharedBytes;
  p.maxBlocksPerMultiProcessor = 32;
  p.reservedSharedMemPerBlock = 1024;
  p.hostRegisterSupported = 1;
  p.hostNumaId = 0;
  return p;
}

/// False if it is not one of those that are known here.
bool attribute_of(const cudaDeviceProp& p, cudaDeviceAttr attribute, int& value) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return value = p.maxThreadsPerBlock, true;
    case cudaDevAttrMaxBlockDimX:
      return value = p.maxThreadsDim[0], true;
    case cudaDevAttrMaxBlockDimY:
      return value = p.maxThreadsDim[1], true;
    case cudaDevAttrMaxBlockDimZ:
      return value = p.maxThreadsDim[2], true;
    case cudaDevAttrMaxGridDimX:
      return value = p.maxGridSize[0], true;
    case cudaDevAttrMaxGridDimY:
      return value = p.maxGridSize[1], true;
    case cudaDevAttrMaxGridDimZ:
      return value = p.maxGridSize[2], true;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return value = static_cast<int>(p.sharedMemPerBlock), true;
    case cudaDevAttrWarpSize:
      return value = p.warpSize, true;
    case cudaDevAttrMaxRegistersPerBlock:
      return value = p.regsPerBlock, true;
    case cudaDevAttrClockRate:
      return value = kClockKhz, true;
    case cudaDevAttrMultiProcessorCount:
      return value = p.multiProcessorCount, true;
    case cudaDevAttrIntegrated:
      return value = p.integrated, true;
    case cudaDevAttrConcurrentKernels:
      return value = p.concurrentKernels, true;
    case cudaDevAttrEccEnabled:
      return value = p.ECCEnabled, true;
    case cudaDevAttrPciBusId:
      return value = p.pciBusID, true;
    case cudaDevAttrPciDeviceId:
      return value = p.pciDeviceID, true;
    case cudaDevAttrPciDomainId:
      return value = p.pciDomainID, true;
    case cudaDevAttrMemoryClockRate:
      return value = kMemoryClockKhz, true;
    case cudaDevAttrGlobalMemoryBusWidth:
      return value = p.memoryBusWidth, true;
    case cudaDevAttrL2CacheSize:
      return value = p.l2CacheSize, true;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return value = p.maxThreadsPerMultiProcessor, true;
    case cudaDevAttrAsyncEngineCount:
      return value = p.asyncEngineCount, true;
    case cudaDevAttrUnifiedAddressing:
      return value = p.unifiedAddressing, true;
    case cudaDevAttrComputeCapabilityMajor:
      return value = p.major, true;
    case cudaDevAttrComputeCapabilityMinor:
      return value = p.minor, true;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return value = static_cast<int>(p.sharedMemPerMultiprocessor), true;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return value = p.regsPerMultiprocessor, true;
    case cudaDevAttrSingleToDoublePrecisionPerfRatio:
      return value = 2, true;
    case cudaDevAttrPageableMemoryAccess:
      return value = p.pageableMemoryAccess, true;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return value = static_cast<int>(p.sharedMemPerBlockOptin), true;
    case cudaDevAttrHostRegisterSupported:
      return value = p.hostRegisterSupported, true;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return value = p.maxBlocksPerMultiProcessor, true;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return value = static_cast<int>(p.reservedSharedMemPerBlock), true;
    case cudaDevAttrHostNumaId:
      return value = p.hostNumaId, true;
  }
  return false;
}

}  // namespace
}  // namespace convscale::standin

using convscale::standin::call;
using convscale::standin::Needs;
using convscale::standin::Runtime;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", Needs::kNothing, [=](Runtime& runtime) {
    if (version == nullptr) return cudaErrorInvalidValue;
    switch (runtime.options.driver) {
      case convscale::standin::Driver::kPresent:
        *version = CUDART_VERSION;
        break;
      case convscale::standin::Driver::kMissing:
        *version = 0;
        break;
      case convscale::standin::Driver::kTooOld:
        *version = CUDART_VERSION - 1000;
        break;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return call("cudaRuntimeGetVersion", Needs::kNothing, [=](Runtime&) {
    if (version == nullptr) return cudaErrorInvalidValue;
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", Needs::kDriver, [=](Runtime& runtime) {
    if (count == nullptr) return cudaErrorInvalidValue;
    *count = runtime.options.devices;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", Needs::kDriver, [=](Runtime& runtime) {
    if (!convscale::standin::exists(runtime, device)) return cudaErrorInvalidDevice;
    runtime.current_device() = device;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call("cudaGetDevice", Needs::kDriver, [=](Runtime& runtime) {
    if (device == nullptr) return cudaErrorInvalidValue;
    *device = runtime.current_device();
    return cudaSuccess;
  });
}

cudaError_t cudaInitDevice(int device, unsigned int device_flags, unsigned int flags) {
  return call("cudaInitDevice", Needs::kDriver, [=](Runtime& runtime) {
    if (!convscale::standin::exists(runtime, device)) return cudaErrorInvalidDevice;
    if ((flags & ~cudaInitDeviceFlagsAreValid) != 0) return cudaErrorInvalidValue;
    auto& initialised = runtime.devices[static_cast<std::size_t>(device)];
    if (flags != 0) initialised.flags = device_flags;
    return initialised.lost;
  });
}

cudaError_t cudaSetDeviceFlags(unsigned int flags) {
  return call("cudaSetDeviceFlags", Needs::kDevice, [=](Runtime& runtime) {
    runtime.device().flags = flags;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceFlags(unsigned int* flags) {
  return call("cudaGetDeviceFlags", Needs::kDevice, [=](Runtime& runtime) {
    if (flags == nullptr) return cudaErrorInvalidValue;
    *flags = runtime.device().flags;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call("cudaGetDeviceProperties", Needs::kDriver, [=](Runtime& runtime) {
    if (properties == nullptr) return cudaErrorInvalidValue;
    if (!convscale::standin::exists(runtime, device)) return cudaErrorInvalidDevice;
    *properties = convscale::standin::properties_of(runtime.options, device);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call("cudaDeviceGetAttribute", Needs::kDriver, [=](Runtime& runtime) {
    if (!convscale::standin::exists(runtime, device)) return cudaErrorInvalidDevice;
    const auto properties = convscale::standin::properties_of(runtime.options, device);
    if (value == nullptr || !convscale::standin::attribute_of(properties, attribute, *value))
      return cudaErrorInvalidValue;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return call("cudaDeviceGetPCIBusId", Needs::kDriver, [=](Runtime& runtime) {
    if (!convscale::standin::exists(runtime, device)) return cudaErrorInvalidDevice;
    if (id == nullptr || length < 13) return cudaErrorInvalidValue;
    std::snprintf(id, static_cast<std::size_t>(length), "%04X:%02X:00.0",
                  static_cast<unsigned>(convscale::standin::kPciDomain),
                  static_cast<unsigned>(device + 1) & 0xFFu);
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
