// SPDX-License-Identifier: Apache-2.0
// What device code calls.
#include "tests/cuda/standin/scheduler.hpp"

#include <cstring>

namespace convscale::standin {
namespace {

/// A warp operation of the running thread, up to its release. A shuffle implies no memory barrier.
void meet_warp(unsigned mask, WarpOperation operation, const Place& place) {
  Scheduler& s = scheduler();
  Thread& thread = s.running();
  if ((mask >> (s.number(thread) % kLanes) & 1) == 0) {
    s.fail(
        cudaErrorLaunchFailure,
        "warp operation in kernel %s: thread (%u, %u, %u) at %s:%d is not in its own mask 0x%08X",
        s.kernel_name(), thread.index.x, thread.index.y, thread.index.z, place.file, place.line,
        mask);
    s.stop();
  }
  thread.mask = mask;
  thread.operation = operation;
  s.wait(State::kAtWarpOperation, place,
         operation == WarpOperation::kSync ? s.warp_point(mask) : nullptr);
}

}  // namespace

void sync_threads(const Place& place) {
  Scheduler& s = scheduler();
  s.wait(State::kAtBlockBarrier, place, s.block_point());
}

void sync_warp(unsigned mask, const Place& place) { meet_warp(mask, WarpOperation::kSync, place); }

void shuffle(unsigned mask, void* value, std::size_t bytes, int source, const Place& place) {
  Thread& thread = scheduler().running();
  std::memcpy(thread.value, value, bytes);
  thread.source = source;
  meet_warp(mask, WarpOperation::kShuffle, place);
  std::memcpy(value, thread.result, bytes);
}

int lane_index() {
  Scheduler& s = scheduler();
  return static_cast<int>(s.number(s.running()) % kLanes);
}

void copy_async(void* target, const void* source, std::size_t bytes, std::size_t zeros,
                const Place& place) {
  Scheduler& s = scheduler();
  Thread& thread = s.running();
  const auto misaligned = [&](const void* address) {
    return reinterpret_cast<std::uintptr_t>(address) % bytes != 0;
  };
  if ((bytes != 4 && bytes != 8 && bytes != 16) || zeros > bytes || misaligned(target) ||
      misaligned(source)) {
    s.fail(cudaErrorMisalignedAddress,
           "asynchronous copy in kernel %s, thread (%u, %u, %u) at %s:%d: %zu bytes to %p from %p; "
           "4, 8 or 16 that are aligned would do",
           s.kernel_name(), thread.index.x, thread.index.y, thread.index.z, place.file, place.line,
           bytes, target, source);
    s.stop();
  }
  thread.copies.push_back({target, source, bytes, zeros, thread.copy_groups});
}

void commit_copies() { ++scheduler().running().copy_groups; }

void wait_for_copies(std::size_t groups_in_flight) {
  Thread& thread = scheduler().running();
  const std::size_t done =
      thread.copy_groups > groups_in_flight ? thread.copy_groups - groups_in_flight : 0;
  std::size_t kept = 0;
  for (const PendingCopy& copy : thread.copies) {
    if (copy.group >= done) {
      thread.copies[kept++] = copy;
      continue;
    }
    std::memcpy(copy.target, copy.source, copy.bytes - copy.zeros);
    std::memset(static_cast<std::byte*>(copy.target) + copy.bytes - copy.zeros, 0, copy.zeros);
  }
  thread.copies.resize(kept);
}

}  // namespace convscale::standin
