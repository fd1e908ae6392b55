// SPDX-License-Identifier: Apache-2.0
// Memory of devices, and registered memory of the host.
#include "tests/cuda/standin/runtime.hpp"

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

namespace convscale::standin {
namespace {

std::uintptr_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

}  // namespace

const std::pair<const std::uintptr_t, Allocation>* Runtime::find_device(const void* pointer) const {
  auto next = allocations.upper_bound(address_of(pointer));
  if (next == allocations.begin()) return nullptr;
  --next;
  return address_of(pointer) < next->first + next->second.bytes ? &*next : nullptr;
}

bool Runtime::is_page_locked(const void* pointer, std::size_t bytes) const {
  const std::uintptr_t begin = address_of(pointer);
  auto next = registrations.upper_bound(begin);
  if (next == registrations.begin()) return false;
  --next;
  return begin + bytes <= next->first + next->second;
}

}  // namespace convscale::standin

using convscale::standin::Allocation;
using convscale::standin::call;
using convscale::standin::Needs;
using convscale::standin::Runtime;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

/// Ends where the heap's allocation ends, full of NaN.
cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return call("cudaMalloc", Needs::kDevice, [=](Runtime& runtime) {
    constexpr std::size_t kAlignment = 256;
    *pointer = nullptr;
    auto& used = runtime.device().used_bytes;
    if (bytes > runtime.options.memory_bytes - used ||
        posix_memalign(pointer, kAlignment, bytes) != 0) {
      return cudaErrorMemoryAllocation;
    }
    std::memset(*pointer, 0xFF, bytes);
    const std::uintptr_t address = convscale::standin::address_of(*pointer);
    used += bytes;
    runtime.allocations.emplace(
        address, Allocation{bytes, runtime.current_device(), {*pointer, &std::free}});
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* pointer) {
  return call("cudaFree", Needs::kRelease, [=](Runtime& runtime) {
    const auto found = runtime.allocations.find(convscale::standin::address_of(pointer));
    if (found == runtime.allocations.end()) return cudaErrorInvalidValue;
    runtime.wait_device(-1);
    const Allocation& allocation = found->second;
    runtime.devices[static_cast<std::size_t>(allocation.device)].used_bytes -= allocation.bytes;
    runtime.allocations.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int /*flags*/) {
  return call("cudaHostRegister", Needs::kDevice, [=](Runtime& runtime) {
    if (pointer == nullptr || bytes == 0) return cudaErrorInvalidValue;
    const std::uintptr_t begin = convscale::standin::address_of(pointer);
    const auto next = runtime.registrations.lower_bound(begin + bytes);
    if (next != runtime.registrations.begin()) {
      const auto& before = *std::prev(next);
      if (before.first + before.second > begin) return cudaErrorHostMemoryAlreadyRegistered;
    }
    runtime.registrations.emplace(begin, bytes);
    return cudaSuccess;
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
    *total_bytes = runtime.options.memory_bytes;
    *free_bytes = runtime.options.memory_bytes - runtime.device().used_bytes;
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
