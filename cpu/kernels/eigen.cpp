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
  // Outputs i with i * stride - offset among the pixels.
  const auto inside = [stride](Range pixels, std::int64_t offset, Range outputs) -> Range {
    const auto up = [stride](std::int64_t y) { return y > 0 ? (y + stride - 1) / stride : 0; };
    return {std::max(outputs.begin, up(pixels.begin + offset)),
            std::min(outputs.end, up(pixels.end + offset))};
  };
  out.setZero();
  const auto [height, width] = image.filter_size;
  for (std::int64_t a = 0; a < height; ++a) {
    const Range rows = inside(image.rows, a, {row_begin, row_end});
    if (rows.size() <= 0) continue;
    for (std::int64_t b = 0; b < width; ++b) {
      const Range columns = inside(image.columns, b, {0, out.cols()});
      if (columns.size() <= 0) continue;
      const T* start =
          image.pixels + (rows.begin * stride - a) * image.width + (columns.begin * stride - b);
      auto block = out.block(rows.begin - row_begin, columns.begin, rows.size(), columns.size());
      const T tap = image.taps[a * width + b];
      if (stride == 1) {  // a unit inner stride that the type knows, so that Eigen vectorises
        block += tap * Eigen::Map<const Array<T>, Eigen::Unaligned, Eigen::OuterStride<>>(
                           start, rows.size(), columns.size(), Eigen::OuterStride<>(image.width));
      } else {
        block +=
            tap * Eigen::Map<const Array<T>, Eigen::Unaligned, Strides>(
                      start, rows.size(), columns.size(), Strides(stride * image.width, stride));
      }
    }
  }
}

template <class T>
void full_rows(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end, T* out,
               std::int64_t pitch) {
  accumulate<T>(image, 1, row_begin, row_end,
                {out, row_end - row_begin, image.dense_width, Eigen::OuterStride<>(pitch)});
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
