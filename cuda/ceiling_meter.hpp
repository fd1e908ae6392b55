// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/bound.hpp"
#include "common/buffer.hpp"
#include "cuda/kernel.hpp"
#include "cuda/resources.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace convscale::cuda {

/// The workload's memory that ceilings are measured in, each contiguous.
struct CeilingMemory {
  std::span<const std::byte> d_read = {};  ///< what kernels read
  /// The ends of the copies to the device and back. What is copied to may be overwritten.
  std::span<const std::byte> h_up = {};
  std::span<std::byte> d_up = {};
  std::span<const std::byte> d_down = {};
  std::span<std::byte> h_down = {};
};

/// Measures what one device reaches: its memory, its arithmetic and its link to the host.
///
/// Nothing of it is the speed of the second-level cache: reads and copies on the device go through
/// so much memory, in several passes, that the cache holds little of it and that to start them and
/// their last blocks weigh little (at 3 TB/s a pass of 1 GiB takes 0.36 ms, of which these are 1 to
/// 2 percent). Copies over the link go through the workload's own memory; where that is so little
/// that copies of it would measure latencies, through memory of the same kind.
///
/// Several devices are measured at once: queue on each, then finish on each.
class CeilingMeter {
 public:
  enum class What { kRead, kCopy, kFma, kUp, kDown, kBothWays };

  /// The host memory at the far end of the link.
  struct Link {
    HostMemory host_memory = HostMemory::kPinned;
    std::optional<int> numa_node = {};
  };

  /// Bytes of host memory that a meter with a link takes at most.
  static std::int64_t host_bytes();
  /// Bytes of device memory that a meter takes at most on a device with `memory_bytes`.
  static std::int64_t device_bytes(std::int64_t memory_bytes);

  /// `link` null: the link is not measured.
  CeilingMeter(Dtype dtype, const DeviceLimits& device, std::int64_t memory_bytes,
               const CeilingMemory& memory, const std::optional<Link>& link);

  /// Asynchronous.
  void queue(What what);
  /// Blocks until what was queued is done: bytes or FLOPs per second. Null if there is nothing to
  /// measure: a link without a Link.
  std::optional<double> finish();
  /// What that took, on the device.
  double seconds() const { return seconds_; }
  /// Happens when what was queued last is done.
  const Event& end() const { return end_; }

  /// Queues reads in `stream` after which the cache holds nothing of the workload, and nothing that
  /// has to be written back.
  void queue_flush(cudaStream_t stream) const;

 private:
  void queue_reads_of_memory();
  void queue_copies_on_device();
  void queue_copies_over_link(bool up, bool down);
  void fill_with_numbers();

  Dtype dtype_;
  DeviceLimits device_;
  CeilingMemory memory_;
  std::int64_t link_bytes_ = 0;  // of one measurement, each way
  // Host memory goes after device memory, which waits for the copies that a fault left behind.
  PageBuffer h_numbers_;
  PageBuffer h_link_;  // where the workload's memory is too little: for each way a half
  HostRegistration registration_;
  DeviceBuffer d_own_, d_link_, d_sink_;
  Stream stream_, other_stream_;
  Event begin_, end_, other_end_;
  double amount_ = 0;  // bytes or FLOPs that were queued
  double seconds_ = 0;
};

}  // namespace convscale::cuda
