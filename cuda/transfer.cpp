// SPDX-License-Identifier: Apache-2.0
#include "cuda/transfer.hpp"

#include "cuda/resources.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace convscale::cuda {
namespace {

/// The rows of one image that windows of height K cover at stride S > K: row 0; K rows that end at
/// row S r, for r = 1..groups; and what is left of the window behind them.
struct NeededRows {
  std::int64_t first_group;  ///< its first row
  std::int64_t groups;
  std::int64_t tail;  ///< its first row
  std::int64_t tail_rows;

  explicit NeededRows(const Shape& s)
      : first_group(s.stride - s.filter_size.height + 1),
        groups((s.height - 1) / s.stride),
        tail((groups + 1) * s.stride - s.filter_size.height + 1),
        tail_rows(std::max<std::int64_t>(0, s.height - tail)) {}
};

}  // namespace

bool all_rows_travel(const Shape& s, Method method, Dtype dtype) {
  if (method == Method::kFull || s.filter_size.height >= s.stride) return true;
  // The hardware's pitches are below 2 GiB; the longest one here is an image's, as steps that are
  // longer than an image are never made.
  constexpr std::int64_t kMostPitch = std::numeric_limits<std::int32_t>::max();
  return s.height > kMostPitch / (s.width * size_of(dtype));
}

std::int64_t upload_bytes(const Shape& s, Dtype dtype, bool all_rows) {
  const NeededRows rows(s);
  const std::int64_t of_image =
      all_rows ? s.height : 1 + rows.groups * s.filter_size.height + rows.tail_rows;
  return s.images * of_image * s.width * size_of(dtype);
}

void upload_images(const Shape& s, Dtype dtype, bool all_rows, std::int64_t images,
                   std::byte* d_images, const std::byte* h_images, cudaStream_t stream) {
  const std::int64_t row_bytes = s.width * size_of(dtype), image_bytes = s.height * row_bytes;
  if (all_rows) {
    CONVSCALE_CUDA(cudaMemcpyAsync(d_images, h_images, size(images * image_bytes),
                                   cudaMemcpyHostToDevice, stream));
    return;
  }
  // The same run of bytes from each of `count` places, `pitch` bytes apart.
  const auto copy = [&](std::int64_t offset, std::int64_t bytes, std::int64_t pitch,
                        std::int64_t count) {
    CONVSCALE_CUDA(cudaMemcpy2DAsync(d_images + offset, size(pitch), h_images + offset, size(pitch),
                                     size(bytes), size(count), cudaMemcpyHostToDevice, stream));
  };
  const NeededRows rows(s);
  copy(0, row_bytes, image_bytes, images);
  if (rows.tail_rows > 0) {
    copy(rows.tail * row_bytes, rows.tail_rows * row_bytes, image_bytes, images);
  }
  if (rows.groups == 0) return;
  // Groups are S rows apart, and so is what a copy of slices steps by: every period-th image begins
  // a whole number of such steps behind the one before.
  const std::int64_t period = s.stride / std::gcd(s.height, s.stride);
  const std::int64_t group_bytes = s.filter_size.height * row_bytes, pitch = s.stride * row_bytes;
  const std::size_t slice_pitches = size(period * s.height / s.stride);
  for (std::int64_t image = 0; image < std::min(period, images); ++image) {
    const std::int64_t offset = image * image_bytes + rows.first_group * row_bytes;
    const auto pitched = [&](std::byte* data) {
      return make_cudaPitchedPtr(data + offset, size(pitch), size(group_bytes), slice_pitches);
    };
    cudaMemcpy3DParms slices{};
    slices.srcPtr = pitched(const_cast<std::byte*>(h_images));
    slices.dstPtr = pitched(d_images);
    slices.extent = make_cudaExtent(size(group_bytes), size(rows.groups),
                                    size((images - image + period - 1) / period));
    slices.kind = cudaMemcpyHostToDevice;
    CONVSCALE_CUDA(cudaMemcpy3DAsync(&slices, stream));
  }
}

}  // namespace convscale::cuda
