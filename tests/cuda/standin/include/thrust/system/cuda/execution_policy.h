// SPDX-License-Identifier: Apache-2.0
// Thrust's policies for a stream, over its host backend (THRUST_DEVICE_SYSTEM_CPP). Algorithms do
// not know the stand-in's streams: naming a stream waits for all that is queued in it, then the
// algorithm runs at once, on the calling thread. What is queued afterwards comes after it, so the
// order in the stream is kept; an algorithm is never late.
#pragma once

#include <cuda_runtime_api.h>
#include <thrust/execution_policy.h>
#include <thrust/system/cpp/execution_policy.h>

#include <stdexcept>
#include <string>

THRUST_NAMESPACE_BEGIN
namespace cuda {

struct StreamPolicy {
  auto on(cudaStream_t stream) const {
    if (const cudaError_t error = cudaStreamSynchronize(stream); error != cudaSuccess) {
      throw std::runtime_error(std::string(cudaGetErrorName(error)) + ": " +
                               cudaGetErrorString(error));
    }
    return thrust::cpp::par;
  }
};
inline constexpr StreamPolicy par;
inline constexpr StreamPolicy par_nosync;

}  // namespace cuda
THRUST_NAMESPACE_END
