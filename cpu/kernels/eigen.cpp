// SPDX-License-Identifier: Apache-2.0
// eigen: what a careful C++ user would write with a library.
//
//     for a, b:  out(rows a.., columns b..) += taps(a, b) * pixels
//
// One array expression a tap over the whole band, so the outputs pass through the cache K^2 times.
// 2 K^2 FLOPs an output. Compiled for the baseline: Eigen is inline code that must not be built for
// AVX-512 and then linked everywhere.
//
// Measured with 33 x 1000^2 float64, K 4, S 5, two cores of a Xeon at 33 GB/s, 2026-11-22:
// full 0.11 of the bound, strided 0.30.
#include "cpu/row_kernel.hpp"

#include <Eigen/Core>

#include <algorithm>

namespace convscale {
namespace {

template <class T>
using Array = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;

/// Adds to `out` (row_end - row_begin, columns) the taps times the pixels at every `stride`-th
/// place.
template <class T>
void accumulate(const Image<T>& image, std::int64_t stride, std::int64_t row_begin,
                std::int64_t row_end,
                Eigen::Map<Array<T>, Eigen::Unaligned, Eigen::OuterStride<>> out) {
  const auto first = [stride](std::int64_t offset) { return (offset + stride - 1) / stride; };
  const auto last = [stride](std::int64_t size, std::int64_t offset) {
    return (size - 1 + offset) / stride + 1;
  };
  out.setZero();
  for (std::int64_t a = 0; a < image.filter_size; ++a) {
    const std::int64_t i0 = std::max(row_begin, first(a)),
                       i1 = std::min(row_end, last(image.height, a));
    if (i0 >= i1) continue;
    for (std::int64_t b = 0; b < image.filter_size; ++b) {
      const std::int64_t j0 = first(b), j1 = last(image.width, b);
      if (j0 >= j1) continue;
      const T* start = image.pixels + (i0 * stride - a) * image.width + (j0 * stride - b);
      auto block = out.block(i0 - row_begin, j0, i1 - i0, j1 - j0);
      const T tap = image.taps[a * image.filter_size + b];
      if (stride == 1) {  // a unit inner stride that the type knows, so that Eigen vectorises
        block += tap * Eigen::Map<const Array<T>, Eigen::Unaligned, Eigen::OuterStride<>>(
                           start, i1 - i0, j1 - j0, Eigen::OuterStride<>(image.width));
      } else {
        block += tap * Eigen::Map<const Array<T>, Eigen::Unaligned, Strides>(
                           start, i1 - i0, j1 - j0, Strides(stride * image.width, stride));
      }
    }
  }
}

template <class T>
void full_rows(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end, T* out,
               std::int64_t pitch) {
  accumulate<T>(image, 1, row_begin, row_end,
                {out, row_end - row_begin, image.full_width(), Eigen::OuterStride<>(pitch)});
}

template <class T>
void strided_rows(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end, T* out) {
  accumulate<T>(
      image, image.stride, row_begin, row_end,
      {out, row_end - row_begin, image.out_width(), Eigen::OuterStride<>(image.out_width())});
}

}  // namespace

extern const RowKernel eigen_kernel = {
    .name = "eigen",
    .description = "Eigen array expressions, one for each tap",
    .isa = kIsaBaseline,
    .float64 = {full_rows<double>, strided_rows<double>},
    .float32 = {full_rows<float>, strided_rows<float>},
};

}  // namespace convscale
