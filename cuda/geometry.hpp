// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/host_device.hpp"
#include "common/shape.hpp"

#include <algorithm>
#include <cstdint>

namespace convscale::cuda {

/// The largest side of an image, in pixels: coordinates are 32-bit on the device.
inline constexpr std::int64_t kMaxSide = std::int64_t{1} << 30;

/// A shape in the 32-bit numbers that device code counts with.
struct Geometry {
  int height = 0;
  int width = 0;
  int filter_size = 0;
  int stride = 0;
  int full_height = 0;
  int full_width = 0;
  int out_height = 0;
  int out_width = 0;

  /// Of square filters and mode full, with sides of at most kMaxSide. A stride beyond the outputs
  /// keeps output (0, 0) alone, as one that just steps over them does.
  explicit Geometry(const Shape& s)
      : height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        filter_size(static_cast<int>(s.filter_size.height)),
        stride(static_cast<int>(std::min(s.stride, std::max(s.dense_height(), s.dense_width())))),
        full_height(static_cast<int>(s.dense_height())),
        full_width(static_cast<int>(s.dense_width())),
        out_height(static_cast<int>(s.out_height())),
        out_width(static_cast<int>(s.out_width())) {}

  CONVSCALE_HOST_DEVICE constexpr std::int64_t pixels() const {
    return std::int64_t{height} * width;
  }
  CONVSCALE_HOST_DEVICE constexpr int taps() const { return filter_size * filter_size; }
  CONVSCALE_HOST_DEVICE constexpr std::int64_t full_outputs() const {
    return std::int64_t{full_height} * full_width;
  }
  CONVSCALE_HOST_DEVICE constexpr std::int64_t outputs() const {
    return std::int64_t{out_height} * out_width;
  }
};

constexpr std::int64_t divided_up(std::int64_t count, std::int64_t by) {
  return (count + by - 1) / by;
}

}  // namespace convscale::cuda
