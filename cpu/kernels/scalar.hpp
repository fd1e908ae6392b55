// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

namespace convscale {
namespace {  // compiled for the instruction set of each file that includes it, and shared with none

/// The sum at (y, x) of the full convolution.
template <class T>
inline T output_at(const Image<T>& image, std::int64_t y, std::int64_t x) {
  const std::int64_t k = image.filter_size;
  const std::int64_t a_begin = y >= image.height ? y - image.height + 1 : 0,
                     a_end = y < k ? y + 1 : k;
  const std::int64_t b_begin = x >= image.width ? x - image.width + 1 : 0,
                     b_end = x < k ? x + 1 : k;
  T sum = 0;
  for (std::int64_t a = a_begin; a < a_end; ++a) {
    const T* row = image.pixels + (y - a) * image.width + x;
    for (std::int64_t b = b_begin; b < b_end; ++b) sum += image.taps[a * k + b] * row[-b];
  }
  return sum;
}

}  // namespace
}  // namespace convscale
