// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

namespace convscale {
namespace {  // compiled for the instruction set of each file that includes it, and shared with none

/// Those of `taps` taps along an axis that meet `pixels` in the window of output `y`.
inline Range taps_inside(std::int64_t y, Range pixels, std::int64_t taps) {
  const std::int64_t end = y - pixels.begin + 1;
  return {y >= pixels.end ? y - pixels.end + 1 : 0, end < taps ? end : taps};
}

/// The output at (y, x), with a stride of 1.
template <class T>
inline T output_at(const Image<T>& image, std::int64_t y, std::int64_t x) {
  const Range rows = taps_inside(y, image.rows, image.filter_size.height);
  const Range columns = taps_inside(x, image.columns, image.filter_size.width);
  T sum = 0;
  for (std::int64_t a = rows.begin; a < rows.end; ++a) {
    const T* row = image.pixels + (y - a) * image.width + x;
    const T* taps = image.taps + a * image.filter_size.width;
    for (std::int64_t b = columns.begin; b < columns.end; ++b) sum += taps[b] * row[-b];
  }
  return sum;
}

}  // namespace
}  // namespace convscale
