// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/bound.hpp"
#include "common/buffer.hpp"
#include "cuda/kernel.hpp"
#include "cuda/resources.hpp"

#include <cstdint>
#include <optional>

namespace convscale::cuda {

/// Measures what one device reaches: its memory, its arithmetic and its link to the host. The
/// copies go through buffers of their own, of the same kind of host memory as the workload's, so
/// that a small workload does not measure latencies.
///
/// Several devices are measured at once: queue on each, then finish on each.
class CeilingMeter {
 public:
  enum class What { kRead, kFma, kUp, kDown, kBothWays };

  /// Bytes of host memory that a meter takes.
  static std::int64_t host_bytes();
  /// Bytes of device memory that it takes on a device with `memory_bytes`.
  static std::int64_t device_bytes(std::int64_t memory_bytes);

  CeilingMeter(Dtype dtype, const DeviceLimits& device, HostMemory host_memory,
               std::optional<int> numa_node, std::int64_t memory_bytes);

  /// Asynchronous. `d_data`: `bytes` of the workload. What::kRead reads them where they are so many
  /// that no pass finds them in the cache, or so few that the kernels do, too; and else memory of
  /// its own, since passes over and over the same data would find a part of it in the cache.
  void queue(What what, const std::byte* d_data, std::int64_t bytes);
  /// Blocks until what was queued is done: bytes or FLOPs per second; null if there was too little
  /// data to read.
  std::optional<double> finish();
  /// Happens when what was queued last is done.
  const Event& end() const { return end_; }

 private:
  void queue_read(const std::byte* d_data, std::int64_t bytes);
  void queue_copies(bool up, bool down);

  Dtype dtype_;
  DeviceLimits device_;
  PageBuffer h_up_, h_down_;
  HostRegistration up_registration_, down_registration_;
  DeviceBuffer d_up_, d_down_, d_read_, d_sink_;
  Stream stream_, other_stream_;
  Event begin_, end_, other_end_;
  double amount_ = 0;  // bytes or FLOPs that were queued
};

}  // namespace convscale::cuda
