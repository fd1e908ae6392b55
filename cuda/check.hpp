// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <string>

namespace convscale::cuda {

/// Throws ResourceError unless `error` is cudaSuccess: "cuda/backend.cpp:71: cudaMalloc(...): out
/// of memory (cudaErrorMemoryAllocation)".
void check(cudaError_t error, const char* call, const char* file, int line);

/// The same place and text for a call that failed in its own way.
std::string place_of(const char* call, const char* file, int line);

/// For destructors, which must not throw: what went wrong was reported by the call before it, and a
/// device that is lost answers every call with an error.
inline void ignore(cudaError_t) noexcept {}

}  // namespace convscale::cuda

/// Every call of the CUDA runtime goes through this.
#define CONVSCALE_CUDA(call) ::convscale::cuda::check((call), #call, __FILE__, __LINE__)
