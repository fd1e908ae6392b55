// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "common/vocabulary.hpp"
#include "cuda/cudnn_library.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace convscale::cuda {

/// Owns a descriptor of cuDNN's graph API.
class CudnnDescriptor {
 public:
  CudnnDescriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type);
  ~CudnnDescriptor();
  CudnnDescriptor(const CudnnDescriptor&) = delete;
  CudnnDescriptor& operator=(const CudnnDescriptor&) = delete;
  CudnnDescriptor(CudnnDescriptor&& other) noexcept;
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept;

  cudnnBackendDescriptor_t get() const { return descriptor_; }

  /// `values` are of the C++ type that cuDNN's documentation gives for `type`.
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
           std::span<const T> values) {
    set_bytes(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, std::span<const T>(&value, 1));
  }
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.get());
  }
  void finalize();

  /// Writes at most `values.size()` elements; returns how many there are.
  template <class T>
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                   std::span<T> values) const {
    return get_bytes(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }

 private:
  void set_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                 std::int64_t count, const void* values);
  std::int64_t get_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                         std::int64_t count, void* values) const;

  const Cudnn* cudnn_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

/// What a convolution is planned for: a handle's device, or, with no device at hand, the one that a
/// finalized CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR describes (cuDNN 9.8 and newer).
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* device_properties = nullptr;
};

/// The descriptors of one convolution. cuDNN does not say whether one that is finalized still needs
/// those that it was made of, so they live as long.
struct CudnnGraph {
  CudnnDescriptor images, filters, outputs, convolution, operation, graph;
};
struct CudnnPlan {
  CudnnDescriptor configuration, plan;
};

/// The kept outputs of `shape` in one call of cuDNN: a convolution with as many groups as there are
/// images, zero padding of K - 1 and a stride of S. With a stride of 1 these are all outputs.
///
/// The engine is the first that cuDNN's heuristics propose which sums directly, without tensor
/// cores (float32 is true float32) and in the same order each time.
class CudnnConvolution {
 public:
  /// Throws UnsupportedError with the reason if cuDNN has no such engine that takes at most
  /// `workspace_limit` bytes.
  CudnnConvolution(const Cudnn& cudnn, const CudnnTarget& target, const Shape& shape, Dtype dtype,
                   std::int64_t workspace_limit);

  /// Bytes of device memory, from an address that is a multiple of 256, that execute() needs.
  std::int64_t workspace_bytes() const { return workspace_bytes_; }

  /// Queues it in the stream of `handle`, the one that it was planned for; asynchronous. Images,
  /// filters and outputs are contiguous, aligned to an element.
  void execute(cudnnHandle_t handle, const std::byte* d_images, const std::byte* d_filters,
               std::byte* d_outputs, std::byte* d_workspace) const;

 private:
  const Cudnn* cudnn_;
  CudnnGraph graph_;
  CudnnPlan plan_;
  std::int64_t workspace_bytes_ = 0;
};

}  // namespace convscale::cuda
