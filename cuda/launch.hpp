// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/check.hpp"

#include <cstddef>
#include <utility>

namespace convscale::cuda {

/// Queues `kernel` in `stream`; asynchronous. The parameters are converted as in a call.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                   cudaStream_t stream, Arguments&&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel,
                            static_cast<Parameters>(std::forward<Arguments>(arguments))...);
}

/// Dynamic shared memory of the running block, at least 16-byte aligned.
__device__ inline std::byte* dynamic_shared() {
  extern __shared__ __align__(16) std::byte dynamic_shared_memory[];
  return dynamic_shared_memory;
}

}  // namespace convscale::cuda

/// CONVSCALE_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): queues and checks.
#define CONVSCALE_LAUNCH(kernel, ...)                                                              \
  ::convscale::cuda::check(::convscale::cuda::launch((kernel), __VA_ARGS__), "launch of " #kernel, \
                           __FILE__, __LINE__)
