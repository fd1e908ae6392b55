// SPDX-License-Identifier: Apache-2.0
#include "cuda/ceiling_meter.hpp"

#include "common/topology.hpp"
#include "cuda/ceilings.hpp"
#include "cuda/geometry.hpp"

#include <algorithm>

namespace convscale::cuda {
namespace {

constexpr std::int64_t kLinkBytes = std::int64_t{32} << 20;
constexpr std::int64_t kSinkBytes = 256;
/// What a read reads at least, in memory of its own, so that starting it weighs little and the
/// cache holds little of it. Less on devices with little memory.
constexpr std::int64_t kReadBytes = std::int64_t{1} << 30;
constexpr std::int64_t kMostPasses = 4096;

std::int64_t read_bytes(std::int64_t memory_bytes) {
  return std::min(kReadBytes, memory_bytes / 64 / kLinkBytes * kLinkBytes + kLinkBytes);
}

/// Host memory near the device that holds something else than zeros.
PageBuffer link_buffer(const std::optional<int>& numa_node) {
  PageBuffer buffer(kLinkBytes, "link measurement");
  if (numa_node) Topology().bind_memory(buffer.data(), buffer.bytes(), *numa_node);
  auto words = buffer.as<std::uint32_t>();
  std::uint32_t word = 1;
  for (std::uint32_t& w : words) w = word = word * 1664525u + 1013904223u;
  return buffer;
}

HostRegistration registered(const PageBuffer& buffer, HostMemory host_memory) {
  return host_memory == HostMemory::kPinned ? HostRegistration(buffer.data(), buffer.bytes())
                                            : HostRegistration();
}

}  // namespace

std::int64_t CeilingMeter::host_bytes() { return 2 * kLinkBytes; }
std::int64_t CeilingMeter::device_bytes(std::int64_t memory_bytes) {
  return 2 * kLinkBytes + read_bytes(memory_bytes) + kSinkBytes;
}

CeilingMeter::CeilingMeter(Dtype dtype, const DeviceLimits& device, HostMemory host_memory,
                           std::optional<int> numa_node, std::int64_t memory_bytes)
    : dtype_(dtype),
      device_(device),
      h_up_(link_buffer(numa_node)),
      h_down_(link_buffer(numa_node)),
      up_registration_(registered(h_up_, host_memory)),
      down_registration_(registered(h_down_, host_memory)),
      d_up_(kLinkBytes),
      d_down_(kLinkBytes),
      d_read_(read_bytes(memory_bytes)),
      d_sink_(kSinkBytes) {
  const auto bytes = static_cast<std::size_t>(kLinkBytes);
  const auto copy = [&](std::byte* d_to, const std::byte* from, cudaMemcpyKind kind) {
    CONVSCALE_CUDA(cudaMemcpyAsync(d_to, from, bytes, kind, stream_.get()));
  };
  copy(d_down_.data(), h_down_.data(), cudaMemcpyHostToDevice);
  for (std::int64_t at = 0; at < d_read_.bytes(); at += kLinkBytes)
    copy(d_read_.data() + at, d_down_.data(), cudaMemcpyDeviceToDevice);
  stream_.synchronize();
}

void CeilingMeter::queue_copies(bool up, bool down) {
  const auto bytes = static_cast<std::size_t>(kLinkBytes);
  if (up) {
    CONVSCALE_CUDA(
        cudaMemcpyAsync(d_up_.data(), h_up_.data(), bytes, cudaMemcpyHostToDevice, stream_.get()));
  }
  if (down) {
    const Stream& stream = up ? other_stream_ : stream_;
    CONVSCALE_CUDA(cudaMemcpyAsync(h_down_.data(), d_down_.data(), bytes, cudaMemcpyDeviceToHost,
                                   stream.get()));
  }
  amount_ = static_cast<double>(kLinkBytes) * (int{up} + int{down});
}

void CeilingMeter::queue_read(const std::byte* d_data, std::int64_t bytes) {
  const bool cached = bytes <= device_.l2_bytes, large = bytes >= d_read_.bytes();
  if (!cached && !large) {
    d_data = d_read_.data();
    bytes = d_read_.bytes();
  }
  const std::int64_t whole = bytes / 16 * 16;
  if (whole == 0) return;
  const std::int64_t passes =
      std::clamp<std::int64_t>(divided_up(d_read_.bytes(), whole), 1, kMostPasses);
  queue_reads(d_data, whole, static_cast<int>(passes), d_sink_.data(), device_, stream_.get());
  amount_ = static_cast<double>(whole) * static_cast<double>(passes);
}

void CeilingMeter::queue(What what, const std::byte* d_data, std::int64_t bytes) {
  amount_ = 0;
  begin_.record(stream_);
  CONVSCALE_CUDA(cudaStreamWaitEvent(other_stream_.get(), begin_.get(), 0));
  if (what == What::kRead) {
    queue_read(d_data, bytes);
  } else if (what == What::kFma) {
    amount_ = static_cast<double>(queue_fmas(dtype_, d_sink_.data(), device_, stream_.get()));
  } else {
    queue_copies(what != What::kDown, what != What::kUp);
  }
  other_end_.record(other_stream_);
  CONVSCALE_CUDA(cudaStreamWaitEvent(stream_.get(), other_end_.get(), 0));
  end_.record(stream_);
}

std::optional<double> CeilingMeter::finish() {
  end_.synchronize();
  const double seconds = seconds_between(begin_, end_);
  return amount_ > 0 && seconds > 0 ? std::optional(amount_ / seconds) : std::nullopt;
}

}  // namespace convscale::cuda
