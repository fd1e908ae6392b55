// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/check.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

/// Owners of what the CUDA runtime hands out. Each belongs to the device that is current when it is
/// made; all throw ResourceError if the runtime refuses, and never when they let go.
namespace convscale::cuda {

/// Bytes as the runtime counts them.
inline std::size_t size(std::int64_t bytes) { return static_cast<std::size_t>(bytes); }

/// Lets go of what `kRelease` takes.
template <auto kRelease>
struct Release {
  void operator()(auto* held) const noexcept { ignore(kRelease(held)); }
};
template <class Handle, auto kRelease>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Release<kRelease>>;

/// Device memory. No bytes: no allocation, data() is null.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::int64_t bytes) : bytes_(bytes) {
    void* d_data = nullptr;
    if (bytes > 0) CONVSCALE_CUDA(cudaMalloc(&d_data, size(bytes)));
    d_data_.reset(static_cast<std::byte*>(d_data));
  }

  std::byte* data() const { return d_data_.get(); }
  std::int64_t bytes() const { return bytes_; }

 private:
  Owner<std::byte*, cudaFree> d_data_;
  std::int64_t bytes_ = 0;
};

/// A stream that does not wait for the legacy default stream.
class Stream {
 public:
  Stream() {
    cudaStream_t stream = nullptr;
    CONVSCALE_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    stream_.reset(stream);
  }

  cudaStream_t get() const { return stream_.get(); }
  /// Blocks until everything in the stream is done.
  void synchronize() const { CONVSCALE_CUDA(cudaStreamSynchronize(get())); }

 private:
  Owner<cudaStream_t, cudaStreamDestroy> stream_;
};

/// A point in a stream, with its time.
class Event {
 public:
  Event() {
    cudaEvent_t event = nullptr;
    CONVSCALE_CUDA(cudaEventCreate(&event));
    event_.reset(event);
  }

  void record(const Stream& stream) const { CONVSCALE_CUDA(cudaEventRecord(get(), stream.get())); }
  /// Blocks until the stream has come to it; throws what failed in the stream before it.
  void synchronize() const { CONVSCALE_CUDA(cudaEventSynchronize(get())); }
  cudaEvent_t get() const { return event_.get(); }

 private:
  Owner<cudaEvent_t, cudaEventDestroy> event_;
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
    CONVSCALE_CUDA(cudaHostRegister(data, size(bytes), cudaHostRegisterPortable));
    data_.reset(data);
  }

 private:
  Owner<std::byte*, cudaHostUnregister> data_;
};

}  // namespace convscale::cuda
