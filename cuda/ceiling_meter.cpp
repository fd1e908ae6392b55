// SPDX-License-Identifier: Apache-2.0
#include "cuda/ceiling_meter.hpp"

#include "common/topology.hpp"
#include "cuda/ceilings.hpp"
#include "cuda/geometry.hpp"

#include <algorithm>

namespace convscale::cuda {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
/// Of memory of its own that it reads: many times the cache. Less on devices with little memory.
constexpr std::int64_t kOwnBytes = 1024 * kMiB;
constexpr std::int64_t kPasses = 4;  ///< over as much as that
/// Of a copy over the link, each way; less on devices with little memory.
constexpr std::int64_t kLinkBytes = 256 * kMiB;
/// The least piece of it. A copy takes 1 to 2 us to begin, which at 55 GB/s is 1 percent of this.
constexpr std::int64_t kLeastPiece = 8 * kMiB;
constexpr std::int64_t kSinkBytes = 256;
constexpr std::int64_t kCachesToFlush = 4;

/// At most a 64th of the device's memory, in whole MiB.
std::int64_t own_bytes(std::int64_t memory_bytes) {
  return std::clamp(memory_bytes / 64 / kMiB * kMiB, kMiB, kOwnBytes);
}

/// Host memory near the device that holds something else than zeros.
PageBuffer numbers(std::int64_t bytes, const std::optional<int>& numa_node) {
  PageBuffer buffer(bytes, "link measurement");
  if (numa_node) Topology().bind_memory(buffer.data(), buffer.bytes(), *numa_node);
  std::uint32_t word = 1;
  for (std::uint32_t& w : buffer.as<std::uint32_t>()) w = word = word * 1664525u + 1013904223u;
  return buffer;
}

/// Queues copies of `bytes` in all, piece by piece as large as fits both ends, over and over.
void queue_copies(std::span<std::byte> to, std::span<const std::byte> from, std::int64_t bytes,
                  cudaMemcpyKind kind, cudaStream_t stream) {
  const std::size_t piece = std::min({size(bytes), to.size(), from.size()});
  const auto step = [&](std::size_t& at, std::size_t end) {
    at += piece;
    if (at + piece > end) at = 0;
  };
  std::size_t at_to = 0, at_from = 0;
  for (std::size_t left = size(bytes); left > 0; left -= std::min(left, piece)) {
    CONVSCALE_CUDA(cudaMemcpyAsync(to.data() + at_to, from.data() + at_from, std::min(left, piece),
                                   kind, stream));
    step(at_to, to.size());
    step(at_from, from.size());
  }
}

}  // namespace

std::int64_t CeilingMeter::host_bytes() { return 2 * kLeastPiece; }
std::int64_t CeilingMeter::device_bytes(std::int64_t memory_bytes) {
  return own_bytes(memory_bytes) + kLeastPiece + kSinkBytes;
}

CeilingMeter::CeilingMeter(Dtype dtype, const DeviceLimits& device, std::int64_t memory_bytes,
                           const CeilingMemory& memory, const std::optional<Link>& link)
    : dtype_(dtype),
      device_(device),
      memory_(memory),
      h_numbers_(numbers(kMiB, std::nullopt)),
      d_own_(own_bytes(memory_bytes)),
      d_sink_(kSinkBytes) {
  fill_with_numbers();
  if (!link) return;
  link_bytes_ = std::clamp(memory_bytes / 32 / kMiB * kMiB, kMiB, kLinkBytes);
  const std::size_t least = size(std::min(kLeastPiece, link_bytes_));
  const bool is_up_enough = std::min(memory.h_up.size(), memory.d_up.size()) >= least;
  const bool is_down_enough = std::min(memory.h_down.size(), memory.d_down.size()) >= least;
  if (is_up_enough && is_down_enough) return;
  h_link_ = numbers(2 * static_cast<std::int64_t>(least), link->numa_node);
  if (link->host_memory == HostMemory::kPinned)
    registration_ = HostRegistration(h_link_.data(), h_link_.bytes());
  d_link_ = DeviceBuffer(static_cast<std::int64_t>(least));
  if (!is_up_enough) {
    memory_.h_up = {h_link_.data(), least};
    memory_.d_up = {d_link_.data(), least};
  }
  if (!is_down_enough) {
    memory_.h_down = {h_link_.data() + least, least};
    memory_.d_down = {d_own_.data(), size(d_own_.bytes())};
  }
}

/// A block of numbers, and then each time as much again as there is.
void CeilingMeter::fill_with_numbers() {
  std::byte* const d_own = d_own_.data();
  CONVSCALE_CUDA(
      cudaMemcpyAsync(d_own, h_numbers_.data(), size(kMiB), cudaMemcpyHostToDevice, stream_.get()));
  for (std::int64_t filled = kMiB; filled < d_own_.bytes(); filled *= 2) {
    CONVSCALE_CUDA(cudaMemcpyAsync(d_own + filled, d_own,
                                   size(std::min(filled, d_own_.bytes() - filled)),
                                   cudaMemcpyDeviceToDevice, stream_.get()));
  }
  stream_.synchronize();
}

void CeilingMeter::queue_copies_over_link(bool up, bool down) {
  if (up)
    queue_copies(memory_.d_up, memory_.h_up, link_bytes_, cudaMemcpyHostToDevice, stream_.get());
  if (down) {
    const Stream& stream = up ? other_stream_ : stream_;
    queue_copies(memory_.h_down, memory_.d_down, link_bytes_, cudaMemcpyDeviceToHost, stream.get());
  }
  amount_ = static_cast<double>(link_bytes_) * (int{up} + int{down});
}

/// Of one half of its own memory to the other. Bytes that are read and written count both.
void CeilingMeter::queue_copies_on_device() {
  const std::int64_t half = d_own_.bytes() / 2;
  const std::span<std::byte> d_from(d_own_.data(), size(half));
  const std::span<std::byte> d_to(d_own_.data() + half, size(half));
  queue_copies(d_to, d_from, kPasses * half, cudaMemcpyDeviceToDevice, stream_.get());
  amount_ = 2.0 * kPasses * static_cast<double>(half);
}

/// Of the workload where it is as much as the memory that is kept for it: passes over and over less
/// would find a part of it in the cache.
void CeilingMeter::queue_reads_of_memory() {
  const bool is_enough = memory_.d_read.size() >= size(d_own_.bytes());
  const std::byte* d_data = is_enough ? memory_.d_read.data() : d_own_.data();
  const std::int64_t bytes =
      is_enough ? static_cast<std::int64_t>(memory_.d_read.size()) / 16 * 16 : d_own_.bytes();
  const std::int64_t passes = divided_up(kPasses * d_own_.bytes(), bytes);
  queue_reads(d_data, bytes, static_cast<int>(passes), d_sink_.data(), device_, stream_.get());
  amount_ = static_cast<double>(bytes) * static_cast<double>(passes);
}

void CeilingMeter::queue_flush(cudaStream_t stream) const {
  const std::int64_t bytes = std::min(d_own_.bytes(), kCachesToFlush * device_.l2_bytes / 16 * 16);
  queue_reads(d_own_.data(), bytes, 1, d_sink_.data(), device_, stream);
}

void CeilingMeter::queue(What what) {
  amount_ = 0;
  // Work that keeps the device busy until all is queued: an idle one would happen upon begin_ at
  // once, and the host's 10 us until the launch are 4 percent of the multiply-adds.
  if (what == What::kRead || what == What::kFma) queue_flush(stream_.get());
  begin_.record(stream_);
  CONVSCALE_CUDA(cudaStreamWaitEvent(other_stream_.get(), begin_.get(), 0));
  switch (what) {
    case What::kRead:
      queue_reads_of_memory();
      break;
    case What::kCopy:
      queue_copies_on_device();
      break;
    case What::kFma:
      amount_ = static_cast<double>(queue_fmas(dtype_, d_sink_.data(), device_, stream_.get()));
      break;
    case What::kUp:
    case What::kDown:
    case What::kBothWays:
      queue_copies_over_link(what != What::kDown, what != What::kUp);
      break;
  }
  other_end_.record(other_stream_);
  CONVSCALE_CUDA(cudaStreamWaitEvent(stream_.get(), other_end_.get(), 0));
  end_.record(stream_);
}

std::optional<double> CeilingMeter::finish() {
  end_.synchronize();
  seconds_ = seconds_between(begin_, end_);
  return amount_ > 0 && seconds_ > 0 ? std::optional(amount_ / seconds_) : std::nullopt;
}

}  // namespace convscale::cuda
