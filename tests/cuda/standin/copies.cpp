// SPDX-License-Identifier: Apache-2.0
// Copies and fills. Where they lead is checked when they are queued.
#include "tests/cuda/standin/runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace convscale::standin {
namespace {

/// One side of a copy: `depth` slices of `height` rows of `width` bytes.
struct Side {
  std::byte* begin;
  std::size_t pitch;  ///< from row to row, in bytes
  std::size_t slice;  ///< from slice to slice
};

struct Copy {
  Side target, source;
  std::size_t width, height, depth;

  std::size_t bytes() const { return width * height * depth; }
  /// From the first byte of a side to its last.
  std::size_t span(const Side& side) const {
    return (depth - 1) * side.slice + (height - 1) * side.pitch + width;
  }
};

void perform(const Copy& copy) {
  for (std::size_t z = 0; z < copy.depth; ++z) {
    for (std::size_t y = 0; y < copy.height; ++y) {
      std::memcpy(copy.target.begin + z * copy.target.slice + y * copy.target.pitch,
                  copy.source.begin + z * copy.source.slice + y * copy.source.pitch, copy.width);
    }
  }
}

class CopyWork final : public Work {
 public:
  /// `staged`: the source is read now, and may be changed as soon as this has been made.
  CopyWork(const Copy& copy, bool staged) : copy_(copy) {
    if (!staged) return;
    stage_.resize(copy.bytes());
    copy_.source = {stage_.data(), copy.width, copy.width * copy.height};
    Copy staging = copy;
    staging.target = copy_.source;
    perform(staging);
  }
  cudaError_t run(char* /*message*/, std::size_t /*message_bytes*/) override {
    perform(copy_);
    return cudaSuccess;
  }

 private:
  Copy copy_;
  std::vector<std::byte> stage_;
};

class FillWork final : public Work {
 public:
  FillWork(void* target, int value, std::size_t bytes)
      : target_(target), value_(value), bytes_(bytes) {}
  cudaError_t run(char* /*message*/, std::size_t /*message_bytes*/) override {
    std::memset(target_, value_, bytes_);
    return cudaSuccess;
  }

 private:
  void* target_;
  int value_;
  std::size_t bytes_;
};

/// Whether bytes from `pointer` on are what the direction says they are; reports what is wrong.
bool check_side(Runtime& runtime, const char* name, const char* side, const void* pointer,
                std::size_t bytes, bool on_device) {
  const auto* found = runtime.find_device(pointer);
  char text[200];
  if (!on_device) {
    if (found == nullptr) return true;
    std::snprintf(text, sizeof text, "%s: the %s %p is device memory, not the host's", name, side,
                  pointer);
  } else if (found == nullptr) {
    std::snprintf(text, sizeof text, "%s: the %s %p is not device memory", name, side, pointer);
  } else {
    const std::size_t left =
        found->first + found->second.bytes - reinterpret_cast<std::uintptr_t>(pointer);
    if (bytes <= left) return true;
    std::snprintf(text, sizeof text,
                  "%s: %zu bytes from the %s %p, %zu before the end of its allocation of %zu", name,
                  bytes, side, pointer, left, found->second.bytes);
  }
  runtime.report(text);
  return false;
}

/// `waits`: for the copy to be made, as far as the runtime does. One from pageable memory to a
/// device is under way when the call returns, as it reads a staged copy of its source; so is one
/// within devices.
cudaError_t queue_copy(Runtime& runtime, const char* name, const Copy& copy, cudaMemcpyKind kind,
                       CUstream_st* stream, bool waits) {
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (copy.bytes() == 0) return cudaSuccess;
  for (const Side& side : {copy.target, copy.source}) {
    if ((copy.height > 1 && side.pitch < copy.width) ||
        (copy.depth > 1 && side.slice < copy.height * side.pitch)) {
      return cudaErrorInvalidPitchValue;
    }
  }
  const bool from_device = kind != cudaMemcpyHostToDevice;
  const bool to_device = kind != cudaMemcpyDeviceToHost;
  if (!check_side(runtime, name, "source", copy.source.begin, copy.span(copy.source),
                  from_device) ||
      !check_side(runtime, name, "target", copy.target.begin, copy.span(copy.target), to_device)) {
    return cudaErrorInvalidValue;
  }
  if (!from_device && to_device && runtime.lost_uploads.contains(name)) return cudaSuccess;
  const auto bytes = static_cast<std::int64_t>(copy.bytes());
  const bool staged = waits && to_device && !from_device &&
                      !runtime.is_page_locked(copy.source.begin, copy.span(copy.source));
  if (staged) runtime.wait(*stream);
  runtime.enqueue(*stream, new CopyWork(copy, staged), [&runtime, from_device, to_device, bytes] {
    if (from_device && to_device) runtime.copied.across += bytes;
    if (from_device && !to_device) runtime.copied.down += bytes;
    if (!from_device && to_device) runtime.copied.up += bytes;
  });
  if (!waits) return cudaSuccess;
  if (!staged && !(from_device && to_device)) runtime.wait(*stream);
  return runtime.device().lost;
}

cudaError_t copy_call(const char* name, const Copy& copy, cudaMemcpyKind kind, cudaStream_t stream,
                      bool waits) {
  return call(name, Needs::kDevice, [&](Runtime& runtime) {
    return queue_copy(runtime, name, copy, kind, runtime.find(stream), waits);
  });
}

/// A side of a copy, which may read the source as well as write the target.
Side side_of(const void* begin, std::size_t pitch, std::size_t slice) {
  return {static_cast<std::byte*>(const_cast<void*>(begin)), pitch, slice};
}

Copy linear(void* target, const void* source, std::size_t bytes) {
  return {side_of(target, bytes, bytes), side_of(source, bytes, bytes), bytes, 1, 1};
}

Side side_of(const cudaPitchedPtr& pointer, const cudaPos& position) {
  const std::size_t slice = pointer.ysize * pointer.pitch;
  return side_of(static_cast<const std::byte*>(pointer.ptr) + position.z * slice +
                     position.y * pointer.pitch + position.x,
                 pointer.pitch, slice);
}

}  // namespace
}  // namespace convscale::standin

namespace standin = convscale::standin;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) {
  return standin::copy_call("cudaMemcpy", standin::linear(target, source, bytes), kind, nullptr,
                            /*waits=*/true);
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return standin::copy_call("cudaMemcpyAsync", standin::linear(target, source, bytes), kind, stream,
                            /*waits=*/false);
}

cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source,
                              size_t source_pitch, size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  const standin::Copy copy{standin::side_of(target, target_pitch, 0),
                           standin::side_of(source, source_pitch, 0), width, height, 1};
  return standin::copy_call("cudaMemcpy2DAsync", copy, kind, stream, /*waits=*/false);
}

cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* p, cudaStream_t stream) {
  const standin::Copy copy{standin::side_of(p->dstPtr, p->dstPos),
                           standin::side_of(p->srcPtr, p->srcPos), p->extent.width,
                           p->extent.height, p->extent.depth};
  return standin::copy_call("cudaMemcpy3DAsync", copy, p->kind, stream, /*waits=*/false);
}

cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream) {
  return standin::call("cudaMemsetAsync", standin::Needs::kDevice, [=](standin::Runtime& runtime) {
    CUstream_st* found = runtime.find(stream);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    if (!standin::check_side(runtime, "cudaMemsetAsync", "target", target, bytes,
                             /*on_device=*/true)) {
      return cudaErrorInvalidValue;
    }
    runtime.enqueue(*found, new standin::FillWork(target, value, bytes));
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
