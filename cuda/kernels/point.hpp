// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/host_device.hpp"
#include "cuda/geometry.hpp"

#include <algorithm>
#include <cstdint>

namespace convscale::cuda {

/// Output (row, column) of the full convolution of one image, the plain way:
///
///     sum over ky, kx of image[row - ky][column - kx] * taps[ky][kx], zeros outside of the image.
template <class T>
CONVSCALE_HOST_DEVICE T full_output(const T* image, const T* taps, const Geometry& g, int row,
                                    int column) {
  const int ky_begin = std::max(0, row - g.height + 1), ky_end = std::min(g.filter_size, row + 1);
  const int kx_begin = std::max(0, column - g.width + 1),
            kx_end = std::min(g.filter_size, column + 1);
  T sum = 0;
  for (int ky = ky_begin; ky < ky_end; ++ky) {
    const T* pixels = image + std::int64_t{row - ky} * g.width + column;
    for (int kx = kx_begin; kx < kx_end; ++kx) sum += pixels[-kx] * taps[ky * g.filter_size + kx];
  }
  return sum;
}

/// Where element `index` of (images, rows, columns) lies.
struct Point {
  std::int64_t image;
  int row;
  int column;
};
CONVSCALE_HOST_DEVICE constexpr Point point_at(std::int64_t index, int rows, int columns) {
  const std::int64_t line = index / columns;
  return {line / rows, static_cast<int>(line % rows), static_cast<int>(index % columns)};
}

/// Output `index` of those that a method computes, from the pixels: all (images, full_height,
/// full_width) of `full`, the kept (images, out_height, out_width) of `strided`.
template <class T, Method kMethod>
struct ComputedOutput {
  const T* d_images;
  const T* d_filters;
  Geometry g;
  CONVSCALE_HOST_DEVICE T operator()(std::int64_t index) const {
    constexpr bool kFull = kMethod == Method::kFull;
    const int step = kFull ? 1 : g.stride;
    const Point p =
        point_at(index, kFull ? g.full_height : g.out_height, kFull ? g.full_width : g.out_width);
    return full_output(d_images + p.image * g.pixels(), d_filters + p.image * g.taps(), g,
                       p.row * step, p.column * step);
  }
};

/// Output `index` of (images, out_height, out_width), from the undecimated ones.
template <class T>
struct DecimatedOutput {
  const T* d_full;
  Geometry g;
  CONVSCALE_HOST_DEVICE T operator()(std::int64_t index) const {
    const Point p = point_at(index, g.out_height, g.out_width);
    return d_full[p.image * g.full_outputs() + std::int64_t{p.row} * g.stride * g.full_width +
                  std::int64_t{p.column} * g.stride];
  }
};

}  // namespace convscale::cuda
