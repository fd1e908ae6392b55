// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/reference.hpp"

#include "common/range.hpp"

#include <algorithm>

namespace convscale {
namespace {

/// The kept outputs whose tap `tap` meets a pixel, origin + i stride - tap.
Range kept_inside(const Axis& axis, std::int64_t tap) {
  const auto first = [&](std::int64_t pixel) {  // output that meets it or one behind it
    const std::int64_t dense = std::max<std::int64_t>(0, pixel + tap - axis.origin);
    return (dense + axis.stride - 1) / axis.stride;
  };
  return {first(0), std::min(first(axis.size), axis.outputs())};
}

}  // namespace

template <class T>
void ReferenceBand::compute(const Shape& s, const T* image, const T* filter, std::int64_t row_begin,
                            std::int64_t row_end) {
  using Pixels = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;

  const Axis down = s.rows(), across = s.columns();
  expected.setZero(row_end - row_begin, s.out_width());
  magnitude.setZero(row_end - row_begin, s.out_width());
  for (std::int64_t a = 0; a < down.filter; ++a) {
    const Range inside = kept_inside(down, a);
    const Range rows{std::max(row_begin, inside.begin), std::min(row_end, inside.end)};
    if (rows.size() <= 0) continue;
    for (std::int64_t b = 0; b < across.filter; ++b) {
      const Range columns = kept_inside(across, b);
      if (columns.size() <= 0) continue;
      const Eigen::Index height = rows.size(), width = columns.size();
      const Eigen::Map<const Pixels, Eigen::Unaligned, Strides> pixels(
          image + (down.origin + rows.begin * s.stride - a) * s.width +
              (across.origin + columns.begin * s.stride - b),
          height, width, Strides(s.stride * s.width, s.stride));
      const auto tap = static_cast<double>(filter[a * across.filter + b]);
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
