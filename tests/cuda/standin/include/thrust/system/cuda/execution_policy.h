// SPDX-License-Identifier: Apache-2.0
// Thrust's policies for a stream, over its host backend (THRUST_DEVICE_SYSTEM_CPP). Algorithms do
// not know the stand-in's streams: naming a stream waits for all that is queued in it, then the
// algorithm runs at once, on the calling thread. What is queued afterwards comes after it, so the
// order in the stream is kept, if the stream is named anew for algorithms behind other work; an
// algorithm is never late.
#pragma once

#include <cuda_runtime_api.h>
#include <thrust/execution_policy.h>
#include <thrust/system/cpp/execution_policy.h>
#include <thrust/system_error.h>

#include <string>

THRUST_NAMESPACE_BEGIN
namespace cuda {

/// Errors of the runtime, named.
class RuntimeCategory final : public thrust::error_category {
 public:
  const char* name() const override { return "cuda"; }
  std::string message(int error) const override {
    const auto code = static_cast<cudaError_t>(error);
    return std::string(cudaGetErrorName(code)) + ": " + cudaGetErrorString(code);
  }
};

struct StreamPolicy {
  auto on(cudaStream_t stream) const {
    static const RuntimeCategory kCategory;
    if (const cudaError_t error = cudaStreamSynchronize(stream); error != cudaSuccess)
      throw thrust::system_error(static_cast<int>(error), kCategory, "stream");
    return thrust::cpp::par;
  }
};
inline constexpr StreamPolicy par;
inline constexpr StreamPolicy par_nosync;

}  // namespace cuda
THRUST_NAMESPACE_END
