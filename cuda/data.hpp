// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/config.hpp"
#include "common/digest.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

/// What happens to data on the current device outside of the timed region, with Thrust. All throw
/// ResourceError on a fault of the device.
namespace convscale::cuda {

/// Makes images, or filters, `images` (counted over all ranks) of a generated
/// workload: the bits that the host's Workload makes. Queued in `stream`.
void generate_images(const Config& config, Range images, std::byte* d_images, cudaStream_t stream);
void generate_filters(const Config& config, Range images, std::byte* d_filters,
                      cudaStream_t stream);

/// Fills `count` results with the reserved NaN of `dtype`. Queued in `stream`.
void poison_results(Dtype dtype, std::byte* d_results, std::int64_t count, cudaStream_t stream);

/// digest_of() for results on the device. Blocks.
Digest digest_on_device(Dtype dtype, const std::byte* d_results, std::int64_t count,
                        std::uint64_t first_index, cudaStream_t stream);

}  // namespace convscale::cuda
