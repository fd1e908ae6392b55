// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "common/vocabulary.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

/// Which rows of the images go to the device, and how.
namespace convscale::cuda {

/// True where every row of the images travels: all are needed, or the copy of some would need a
/// pitch that the hardware does not have.
bool all_rows_travel(const Shape& shape, Method method, Dtype dtype);

/// Bytes of `images` images that travel.
std::int64_t upload_bytes(const Shape& shape, Dtype dtype, bool all_rows);

/// Queues the copy of `images` images, (images, height, width), from the host to the same places of
/// device memory. `all_rows` false: only rows that a kept output's window covers, in at most
/// stride + 2 copies, however many images there are.
void upload_images(const Shape& shape, Dtype dtype, bool all_rows, std::int64_t images,
                   std::byte* d_images, const std::byte* h_images, cudaStream_t stream);

}  // namespace convscale::cuda
