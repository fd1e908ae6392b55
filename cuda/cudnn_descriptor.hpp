// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/cudnn_library.hpp"

#include <cstdint>
#include <span>
#include <vector>

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
  /// The one value that there is.
  template <class T>
  T get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    T value{};
    get(name, type, std::span<T>(&value, 1));
    return value;
  }
  /// Descriptors of `type`, of which there are `most` at most.
  std::vector<CudnnDescriptor> get_descriptors(cudnnBackendAttributeName_t name,
                                               cudnnBackendDescriptorType_t type,
                                               std::int64_t most) const;

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

}  // namespace convscale::cuda
