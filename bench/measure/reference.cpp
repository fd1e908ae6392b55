// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/reference.hpp"

#include "common/range.hpp"

#include <algorithm>

namespace convscale {
namespace {

/// The kept indices i with 0 <= i * stride - offset < size.
Range kept_inside(std::int64_t size, std::int64_t stride, std::int64_t offset) {
  return {(offset + stride - 1) / stride, (size - 1 + offset) / stride + 1};
}

}  // namespace

template <class T>
void ReferenceBand::compute(const Shape& s, const T* image, const T* filter, std::int64_t row_begin,
                            std::int64_t row_end) {
  using Pixels = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;

  expected.setZero(row_end - row_begin, s.out_width());
  magnitude.setZero(row_end - row_begin, s.out_width());
  for (std::int64_t a = 0; a < s.filter_size; ++a) {
    const Range inside = kept_inside(s.height, s.stride, a);
    const Range rows{std::max(row_begin, inside.begin), std::min(row_end, inside.end)};
    if (rows.size() <= 0) continue;
    for (std::int64_t b = 0; b < s.filter_size; ++b) {
      const Range columns = kept_inside(s.width, s.stride, b);
      if (columns.size() <= 0) continue;
      const Eigen::Index height = rows.size(), width = columns.size();
      const Eigen::Map<const Pixels, Eigen::Unaligned, Strides> pixels(
          image + (rows.begin * s.stride - a) * s.width + (columns.begin * s.stride - b), height,
          width, Strides(s.stride * s.width, s.stride));
      const auto tap = static_cast<double>(filter[a * s.filter_size + b]);
      expected.block(rows.begin - row_begin, columns.begin, height, width) +=
          tap * pixels.template cast<double>();
      magnitude.block(rows.begin - row_begin, columns.begin, height, width) +=
          std::abs(tap) * pixels.template cast<double>().abs();
    }
  }
}

template void ReferenceBand::compute(const Shape&, const double*, const double*, std::int64_t,
                                     std::int64_t);
template void ReferenceBand::compute(const Shape&, const float*, const float*, std::int64_t,
                                     std::int64_t);

}  // namespace convscale
