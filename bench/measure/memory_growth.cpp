// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/memory_growth.hpp"

#include "common/buffer.hpp"
#include "common/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace convscale {
namespace {

constexpr std::int64_t kMebi = std::int64_t{1} << 20;
/// What is taken before one looks again.
constexpr std::int64_t kStepBytes = 256 * kMebi;
/// What stays available: MemAvailable counts only what the kernel can hand out without swapping, so
/// that the OOM killer is as far away. Less than a machine's page cache, as some kernels get hold
/// of more memory only when no page is free.
constexpr std::int64_t kReserveBytes = 128 * kMebi;
/// Steps are no shorter, and growth by less is none.
constexpr std::int64_t kLeastBytes = kMebi;
/// A hypervisor may look at its guests every second.
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr int kPauses = 30;

}  // namespace

void grow_memory(std::int64_t bytes, const MemoryTaking& taking, const SystemPaths& paths) {
  const std::int64_t at_first = available_memory_bytes(paths).value_or(bytes);
  std::int64_t available = at_first, taken = 0, most = at_first;
  int pauses = 0;
  while (available + taken < bytes && !taking.stop()) {
    const std::int64_t room = std::min(kStepBytes, available - kReserveBytes);
    if (room >= kLeastBytes) {
      taking.take(room);
      taken += room;
    } else if (pauses++ < kPauses) {
      taking.pause();
    } else {
      constexpr double kGiga = 1e-9;
      throw ResourceError(fmt::format(
          "this run needs {:.2f} GB of memory and {:.2f} GB are available (cgroup limits "
          "included); "
          "this virtual machine's memory may grow, but as it was taken there were {:.2f} GB and no "
          "more; a smaller --mem would do",
          static_cast<double>(bytes) * kGiga, static_cast<double>(at_first) * kGiga,
          static_cast<double>(most) * kGiga));
    }
    available = available_memory_bytes(paths).value_or(0);
    if (available + taken >= most + kLeastBytes) {
      most = available + taken;
      pauses = 0;
    }
  }
}

void grow_memory(std::int64_t bytes, const std::function<bool()>& stop, const SystemPaths& paths) {
  PageBuffer buffer;
  std::int64_t taken = 0;
  const auto take = [&](std::int64_t more) {
    if (buffer.bytes() == 0) buffer = PageBuffer(bytes, "images");
    for (const std::int64_t end = taken + more; taken < end; taken += page_bytes())
      buffer.data()[taken] = std::byte{1};
  };
  grow_memory(bytes, {take, [] { std::this_thread::sleep_for(kPause); }, stop}, paths);
}

}  // namespace convscale
