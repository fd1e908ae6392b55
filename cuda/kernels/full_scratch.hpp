// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/geometry.hpp"
#include "cuda/kernel.hpp"

#include <algorithm>
#include <cstdint>

namespace convscale::cuda {

/// Method `full` through device memory: a kernel that stores every output of the full convolution
/// of some images to scratch, and one that decimates from there; then the next images.
class FullScratch {
 public:
  /// Scratch of at most `limit_bytes`, but for one image at least.
  FullScratch(const Request& request, std::int64_t limit_bytes)
      : image_bytes_(Geometry(request.shape).full_outputs() * size_of(request.dtype)),
        images_(std::clamp<std::int64_t>(limit_bytes / image_bytes_, 1,
                                         std::max<std::int64_t>(1, request.shape.images))) {}

  std::int64_t images() const { return images_; }
  std::int64_t bytes() const { return images_ * image_bytes_; }

  /// Calls `body(part)` for one batch after another that scratch holds.
  template <class Body>
  void for_each_part(const Batch& batch, const Request& request, Body&& body) const {
    const Shape& s = request.shape;
    const std::int64_t element = size_of(request.dtype);
    for (std::int64_t first = 0; first < batch.images; first += images_) {
      body(Batch{.images = std::min(images_, batch.images - first),
                 .d_images = batch.d_images + first * s.pixels() * element,
                 .d_filters = batch.d_filters + first * s.taps() * element,
                 .d_results = batch.d_results + first * s.outputs() * element,
                 .d_scratch = batch.d_scratch});
    }
  }

 private:
  std::int64_t image_bytes_;
  std::int64_t images_;
};

/// Scratch that stays in the L2 cache between the two kernels, beside that of a few other streams.
inline std::int64_t cached_scratch_bytes(const DeviceLimits& device) { return device.l2_bytes / 8; }

}  // namespace convscale::cuda
