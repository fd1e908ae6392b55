// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_descriptor.hpp"

#include <utility>

namespace convscale::cuda {

CudnnDescriptor::CudnnDescriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type)
    : cudnn_(&cudnn) {
  CONVSCALE_CHECK_CUDNN(cudnn, cudnnBackendCreateDescriptor, type, &descriptor_);
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_ != nullptr) cudnn_->cudnnBackendDestroyDescriptor(descriptor_);
}

CudnnDescriptor::CudnnDescriptor(CudnnDescriptor&& other) noexcept
    : cudnn_(other.cudnn_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}

CudnnDescriptor& CudnnDescriptor::operator=(CudnnDescriptor&& other) noexcept {
  std::swap(cudnn_, other.cudnn_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void CudnnDescriptor::set_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                std::int64_t count, const void* values) {
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendSetAttribute, descriptor_, name, type, count, values);
}

std::int64_t CudnnDescriptor::get_bytes(cudnnBackendAttributeName_t name,
                                        cudnnBackendAttributeType_t type, std::int64_t count,
                                        void* values) const {
  std::int64_t available = 0;
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendGetAttribute, descriptor_, name, type, count,
                        &available, values);
  return available;
}

std::vector<CudnnDescriptor> CudnnDescriptor::get_descriptors(cudnnBackendAttributeName_t name,
                                                              cudnnBackendDescriptorType_t type,
                                                              std::int64_t most) const {
  std::vector<CudnnDescriptor> owners;
  std::vector<cudnnBackendDescriptor_t> descriptors;
  for (std::int64_t i = 0; i < most; ++i) {
    owners.emplace_back(*cudnn_, type);
    descriptors.push_back(owners.back().get());
  }
  const std::int64_t written =
      get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span<cudnnBackendDescriptor_t>(descriptors));
  while (std::ssize(owners) > written) owners.pop_back();
  return owners;
}

void CudnnDescriptor::finalize() {
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendFinalize, descriptor_);
}

}  // namespace convscale::cuda
