// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/vocabulary.hpp"
#include "cuda/kernel.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

/// Loops whose speed is a ceiling of the device. Each only queues work in `stream`.
namespace convscale::cuda {

/// Whether this program holds code for the current device (see CMAKE_CUDA_ARCHITECTURES).
bool has_code_for_current_device();

/// Reads `bytes` (a multiple of 16, from a 16-byte boundary) `passes` times, 16 bytes a load, and
/// keeps no more than a word of what it read in `d_sink` (8 bytes).
void queue_reads(const std::byte* d_data, std::int64_t bytes, int passes, std::byte* d_sink,
                 const DeviceLimits& device, cudaStream_t stream);

/// Fused multiply-adds of `dtype` on every multiprocessor, from registers; `d_sink` as above.
/// Returns the FLOPs that they are.
std::int64_t queue_fmas(Dtype dtype, std::byte* d_sink, const DeviceLimits& device,
                        cudaStream_t stream);

}  // namespace convscale::cuda
