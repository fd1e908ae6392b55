// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.hpp"

#include "common/error.hpp"
#include "cuda/ceilings.hpp"
#include "cuda/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <numeric>

namespace convscale::cuda {
namespace {

/// 13000 is "13.0".
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

int driver_version() {
  int version = 0;  // stays so where no driver is loaded
  CONVSCALE_CUDA(cudaDriverGetVersion(&version));
  return version;
}

/// The NUMA node that the kernel knows for a PCI device; null if it knows none.
std::optional<int> numa_node_of(const std::string& pci_bus_id) {
  std::string name = pci_bus_id;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::ifstream file("/sys/bus/pci/devices/" + name + "/numa_node");
  int node = -1;
  return file >> node && node >= 0 ? std::optional(node) : std::nullopt;
}

std::string numbers_of(int count) {
  return count == 1 ? "number 0" : fmt::format("numbers 0 to {}", count - 1);
}

/// Makes device `index` current and asks whether this program runs there; empty if it does. Throws
/// where the device cannot be used (somebody else's alone, say).
std::string why_not(int index) {
  CONVSCALE_CUDA(cudaSetDevice(index));
  if (has_code_for_current_device()) return "";
  const DeviceInfo info = describe(index);
  return fmt::format(
      "this build has no code for the compute capability {} of {}; build it with "
      "-DCMAKE_CUDA_ARCHITECTURES={}",
      info.compute_capability, info.name, limits_of(index).compute_capability);
}

std::string why_not_in_words(int index) {
  try {
    return why_not(index);
  } catch (const ResourceError& error) {
    return error.what();
  }
}

}  // namespace

std::string why_no_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return "";
  ignore(cudaGetLastError());
  if (error == cudaErrorInsufficientDriver) {
    const int driver = driver_version();
    if (driver == 0) return "no NVIDIA driver is loaded";
    return fmt::format("the driver supports CUDA {}, this program needs {}", version_text(driver),
                       version_text(CUDART_VERSION));
  }
  if (error == cudaSuccess || error == cudaErrorNoDevice)
    return "the driver sees no device (is CUDA_VISIBLE_DEVICES set?)";
  return fmt::format("the driver says: {} ({})", cudaGetErrorString(error),
                     cudaGetErrorName(error));
}

std::vector<int> choose_devices(const std::vector<int>& wanted) {
  if (const std::string why = why_no_device(); !why.empty())
    throw UnsupportedError("--backend cuda: " + why + "; --backend cpu runs here");
  const int count = device_count();
  std::vector<int> devices = wanted;
  if (devices.empty()) {
    devices.resize(static_cast<std::size_t>(count));
    std::iota(devices.begin(), devices.end(), 0);
  }
  for (const int device : devices) {
    if (device >= count) {
      throw UnsupportedError(fmt::format("--devices {}: this machine has {} CUDA device{}, {}",
                                         device, count, count == 1 ? "" : "s", numbers_of(count)));
    }
    if (const std::string why = why_not(device); !why.empty())
      throw UnsupportedError(fmt::format("--devices {}: {}", device, why));
  }
  return devices;
}

int device_count() {
  if (!why_no_device().empty()) return 0;
  int count = 0;
  CONVSCALE_CUDA(cudaGetDeviceCount(&count));
  return count;
}

DeviceInfo describe(int index) {
  cudaDeviceProp properties{};
  CONVSCALE_CUDA(cudaGetDeviceProperties(&properties, index));
  std::array<char, 32> bus_id{};
  CONVSCALE_CUDA(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), index));
  DeviceInfo info;
  info.index = index;
  info.name = properties.name;
  info.compute_capability = fmt::format("{}.{}", properties.major, properties.minor);
  info.pci_bus_id = bus_id.data();
  info.memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
  info.l2_bytes = properties.l2CacheSize;
  info.multiprocessors = properties.multiProcessorCount;
  info.numa_node = numa_node_of(info.pci_bus_id);
  info.driver = version_text(driver_version());
  info.runtime = version_text(CUDART_VERSION);
  return info;
}

DeviceLimits limits_of(int index) {
  cudaDeviceProp properties{};
  CONVSCALE_CUDA(cudaGetDeviceProperties(&properties, index));
  return {.compute_capability = 10 * properties.major + properties.minor,
          .multiprocessors = properties.multiProcessorCount,
          .threads_per_multiprocessor = properties.maxThreadsPerMultiProcessor,
          .shared_bytes = static_cast<std::int64_t>(properties.sharedMemPerBlockOptin),
          .l2_bytes = properties.l2CacheSize};
}

std::int64_t free_bytes() {
  std::size_t free = 0, total = 0;
  CONVSCALE_CUDA(cudaMemGetInfo(&free, &total));
  constexpr std::size_t kReserve = std::size_t{256} << 20;  // modules, and what Thrust asks for
  return static_cast<std::int64_t>(free - std::min(free / 16, kReserve));
}

std::vector<Listing> list_devices() {
  if (const std::string why = why_no_device(); !why.empty()) return {{"cuda", "", why}};
  std::vector<Listing> listings;
  for (int index = 0; index < device_count(); ++index) {
    const DeviceInfo info = describe(index);
    listings.push_back({std::to_string(index),
                        fmt::format("{}, compute capability {}, {} multiprocessors, {:.1f} GB, {}",
                                    info.name, info.compute_capability, info.multiprocessors,
                                    static_cast<double>(info.memory_bytes) * 1e-9, info.pci_bus_id),
                        why_not_in_words(index)});
  }
  return listings;
}

}  // namespace convscale::cuda
