// SPDX-License-Identifier: Apache-2.0
// Memory: of devices, page-locked, registered.
#include "tests/cuda/standin/runtime.hpp"

#include <cstdlib>
#include <cstring>
#include <utility>

namespace convscale::standin {
namespace {

constexpr std::size_t kDeviceAlignment = 256;
constexpr std::size_t kPage = 4096;

std::uintptr_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// `bytes` that end where the heap's allocation ends, full of NaN.
HeapBlock allocate(std::size_t alignment, std::size_t bytes) {
  void* made = nullptr;
  if (posix_memalign(&made, alignment, bytes) != 0) return {nullptr, &std::free};
  std::memset(made, 0xFF, bytes);
  return {made, &std::free};
}

cudaError_t register_host(Runtime& runtime, void* pointer, std::size_t bytes, unsigned flags) {
  constexpr unsigned kFlags =
      cudaHostRegisterPortable | cudaHostRegisterMapped | cudaHostRegisterReadOnly;
  if (pointer == nullptr || bytes == 0 || (flags & ~kFlags) != 0) return cudaErrorInvalidValue;
  const std::uintptr_t begin = address_of(pointer), end = begin + bytes;
  const auto reaches_in = [&](const auto& ranges, auto bytes_of) {
    auto next = ranges.lower_bound(end);
    if (next == ranges.begin()) return false;
    --next;
    return next->first + bytes_of(next->second) > begin;
  };
  if (reaches_in(runtime.registrations, [](std::size_t range) { return range; }) ||
      reaches_in(runtime.host_allocations, [](const HostAllocation& a) { return a.bytes; })) {
    return cudaErrorHostMemoryAlreadyRegistered;
  }
  runtime.registrations.emplace(begin, bytes);
  return cudaSuccess;
}

}  // namespace

const std::pair<const std::uintptr_t, Allocation>* Runtime::find_device(const void* pointer) const {
  auto next = allocations.upper_bound(address_of(pointer));
  if (next == allocations.begin()) return nullptr;
  --next;
  return address_of(pointer) < next->first + next->second.bytes ? &*next : nullptr;
}

bool Runtime::is_page_locked(const void* pointer, std::size_t bytes) const {
  const std::uintptr_t begin = address_of(pointer);
  const auto lies_in = [&](const auto& ranges, auto bytes_of) {
    auto next = ranges.upper_bound(begin);
    if (next == ranges.begin()) return false;
    --next;
    return begin + bytes <= next->first + bytes_of(next->second);
  };
  return lies_in(registrations, [](std::size_t range) { return range; }) ||
         lies_in(host_allocations, [](const HostAllocation& a) { return a.bytes; });
}

cudaError_t Runtime::allocate_device(void** pointer, std::size_t bytes) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (bytes > options.memory_bytes - device().used_bytes) return cudaErrorMemoryAllocation;
  HeapBlock made = allocate(kDeviceAlignment, bytes);
  if (made == nullptr) return cudaErrorMemoryAllocation;
  *pointer = made.get();
  freed.erase(address_of(*pointer));
  device().used_bytes += bytes;
  allocations.emplace(address_of(*pointer), Allocation{bytes, current_device(), std::move(made)});
  return cudaSuccess;
}

cudaError_t Runtime::allocate_host(void** pointer, std::size_t bytes) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  HeapBlock made = allocate(kPage, bytes);
  if (made == nullptr) return cudaErrorMemoryAllocation;
  *pointer = made.get();
  host_allocations.emplace(address_of(*pointer), HostAllocation{bytes, std::move(made)});
  return cudaSuccess;
}

}  // namespace convscale::standin

using convscale::standin::Allocation;
using convscale::standin::call;
using convscale::standin::Needs;
using convscale::standin::Runtime;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return call("cudaMalloc", Needs::kDevice,
              [=](Runtime& runtime) { return runtime.allocate_device(pointer, bytes); });
}

cudaError_t cudaFree(void* pointer) {
  return call("cudaFree", Needs::kRelease, [=](Runtime& runtime) {
    if (pointer == nullptr) return cudaSuccess;
    const auto found = runtime.allocations.find(convscale::standin::address_of(pointer));
    if (found == runtime.allocations.end()) return cudaErrorInvalidValue;
    runtime.wait_device(-1);
    const Allocation& allocation = found->second;
    runtime.devices[static_cast<std::size_t>(allocation.device)].used_bytes -= allocation.bytes;
    runtime.freed[found->first] = allocation.bytes;
    runtime.allocations.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return call("cudaMallocHost", Needs::kDevice,
              [=](Runtime& runtime) { return runtime.allocate_host(pointer, bytes); });
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned int flags) {
  return call("cudaHostAlloc", Needs::kDevice, [=](Runtime& runtime) {
    constexpr unsigned kFlags =
        cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
    if ((flags & ~kFlags) != 0) return cudaErrorInvalidValue;
    return runtime.allocate_host(pointer, bytes);
  });
}

cudaError_t cudaFreeHost(void* pointer) {
  return call("cudaFreeHost", Needs::kRelease, [=](Runtime& runtime) {
    if (pointer == nullptr) return cudaSuccess;
    if (!runtime.host_allocations.contains(convscale::standin::address_of(pointer)))
      return cudaErrorInvalidValue;
    runtime.wait_device(-1);
    runtime.host_allocations.erase(convscale::standin::address_of(pointer));
    return cudaSuccess;
  });
}

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int flags) {
  return call("cudaHostRegister", Needs::kDevice, [=](Runtime& runtime) {
    return convscale::standin::register_host(runtime, pointer, bytes, flags);
  });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return call("cudaHostUnregister", Needs::kRelease, [=](Runtime& runtime) {
    if (!runtime.registrations.contains(convscale::standin::address_of(pointer)))
      return cudaErrorHostMemoryNotRegistered;
    runtime.wait_device(-1);
    runtime.registrations.erase(convscale::standin::address_of(pointer));
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  return call("cudaMemGetInfo", Needs::kDevice, [=](Runtime& runtime) {
    if (free_bytes == nullptr || total_bytes == nullptr) return cudaErrorInvalidValue;
    *total_bytes = runtime.options.memory_bytes;
    *free_bytes = runtime.options.memory_bytes - runtime.device().used_bytes;
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
