// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/check.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

/// Owners of what the CUDA runtime hands out. Each belongs to the device that is current when it is
/// made; all throw ResourceError if the runtime refuses, and never when they let go.
namespace convscale::cuda {

/// Device memory. No bytes: no allocation, data() is null.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::int64_t bytes) : bytes_(bytes) {
    if (bytes > 0) CONVSCALE_CUDA(cudaMalloc(&d_data_, static_cast<std::size_t>(bytes)));
  }
  ~DeviceBuffer() {
    if (d_data_ != nullptr) ignore(cudaFree(d_data_));
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : d_data_(std::exchange(other.d_data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(d_data_, other.d_data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return static_cast<std::byte*>(d_data_); }
  std::int64_t bytes() const { return bytes_; }

 private:
  void* d_data_ = nullptr;
  std::int64_t bytes_ = 0;
};

/// A stream that does not wait for the legacy default stream.
class Stream {
 public:
  Stream() { CONVSCALE_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() {
    if (stream_ != nullptr) ignore(cudaStreamDestroy(stream_));
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  Stream(Stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&&) = delete;

  cudaStream_t get() const { return stream_; }
  /// Blocks until everything in the stream is done.
  void synchronize() const { CONVSCALE_CUDA(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A point in a stream, with its time.
class Event {
 public:
  Event() { CONVSCALE_CUDA(cudaEventCreate(&event_)); }
  ~Event() {
    if (event_ != nullptr) ignore(cudaEventDestroy(event_));
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;

  void record(const Stream& stream) const { CONVSCALE_CUDA(cudaEventRecord(event_, stream.get())); }
  /// Blocks until the stream has come to it; throws what failed in the stream before it.
  void synchronize() const { CONVSCALE_CUDA(cudaEventSynchronize(event_)); }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Seconds from one event to another; both must have happened.
inline double seconds_between(const Event& begin, const Event& end) {
  float milliseconds = 0;
  CONVSCALE_CUDA(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
  return 1e-3 * static_cast<double>(milliseconds);
}

/// Host memory that a device can reach by itself while this lives (page-locked).
class HostRegistration {
 public:
  HostRegistration() = default;
  HostRegistration(std::byte* data, std::int64_t bytes) {
    if (bytes == 0) return;
    CONVSCALE_CUDA(
        cudaHostRegister(data, static_cast<std::size_t>(bytes), cudaHostRegisterPortable));
    data_ = data;
  }
  ~HostRegistration() {
    if (data_ != nullptr) ignore(cudaHostUnregister(data_));
  }
  HostRegistration(const HostRegistration&) = delete;
  HostRegistration& operator=(const HostRegistration&) = delete;
  HostRegistration(HostRegistration&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)) {}
  HostRegistration& operator=(HostRegistration&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }

 private:
  std::byte* data_ = nullptr;
};

}  // namespace convscale::cuda
