// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_descriptor.hpp"

namespace convscale::cuda {

CudnnDescriptor::CudnnDescriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type)
    : descriptor_(nullptr, Destroy{&cudnn}) {
  cudnnBackendDescriptor_t descriptor = nullptr;
  CONVSCALE_CHECK_CUDNN(cudnn, cudnnBackendCreateDescriptor, type, &descriptor);
  descriptor_.reset(descriptor);
}

void CudnnDescriptor::set_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                std::int64_t count, const void* values) {
  CONVSCALE_CHECK_CUDNN(cudnn(), cudnnBackendSetAttribute, get(), name, type, count, values);
}

std::int64_t CudnnDescriptor::get_bytes(cudnnBackendAttributeName_t name,
                                        cudnnBackendAttributeType_t type, std::int64_t count,
                                        void* values) const {
  std::int64_t available = 0;
  CONVSCALE_CHECK_CUDNN(cudnn(), cudnnBackendGetAttribute, get(), name, type, count, &available,
                        values);
  return available;
}

std::vector<CudnnDescriptor> CudnnDescriptor::get_descriptors(cudnnBackendAttributeName_t name,
                                                              cudnnBackendDescriptorType_t type,
                                                              std::int64_t most) const {
  std::vector<CudnnDescriptor> owners;
  std::vector<cudnnBackendDescriptor_t> descriptors;
  for (std::int64_t i = 0; i < most; ++i) {
    owners.emplace_back(cudnn(), type);
    descriptors.push_back(owners.back().get());
  }
  const std::int64_t written =
      get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span<cudnnBackendDescriptor_t>(descriptors));
  while (std::ssize(owners) > written) owners.pop_back();
  return owners;
}

void CudnnDescriptor::finalize() { CONVSCALE_CHECK_CUDNN(cudnn(), cudnnBackendFinalize, get()); }

}  // namespace convscale::cuda
