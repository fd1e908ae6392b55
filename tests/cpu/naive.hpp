// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace convscale::testing {

/// The definition of the convolution, as plainly as it can be written, in float64.
struct Naive {
  std::vector<double> sum;        ///< (dense_height, dense_width): of tap * pixel
  std::vector<double> magnitude;  ///< of |tap| * |pixel|
};

template <class T>
Naive naive_convolution(const Shape& s, const T* image, const T* filter) {
  const auto [height, width] = s.filter_size;
  // Of the full convolution a mode keeps the middle: as many rows and columns go above and left as
  // below and right, or one less.
  const std::int64_t top = (s.height + height - 1 - s.dense_height()) / 2;
  const std::int64_t left = (s.width + width - 1 - s.dense_width()) / 2;
  Naive out;
  for (std::int64_t y = top; y < top + s.dense_height(); ++y) {
    for (std::int64_t x = left; x < left + s.dense_width(); ++x) {
      double sum = 0, magnitude = 0;
      for (std::int64_t a = 0; a < height; ++a) {
        for (std::int64_t b = 0; b < width; ++b) {
          if (y - a < 0 || y - a >= s.height || x - b < 0 || x - b >= s.width) continue;
          const double product = static_cast<double>(filter[a * width + b]) *
                                 static_cast<double>(image[(y - a) * s.width + (x - b)]);
          sum += product;
          magnitude += std::abs(product);
        }
      }
      out.sum.push_back(sum);
      out.magnitude.push_back(magnitude);
    }
  }
  return out;
}

/// True if `got` is within the verification's bound of `expected`, or NaN or infinite like it.
template <class T>
bool is_close(T got, double expected, double magnitude, std::int64_t taps) {
  const auto value = static_cast<double>(got);
  if (std::isnan(expected) || std::isinf(expected)) {
    return std::isnan(expected) ? std::isnan(value) : value == expected;
  }
  const double bound = static_cast<double>(taps) *
                       (static_cast<double>(std::numeric_limits<T>::epsilon()) * magnitude +
                        static_cast<double>(std::numeric_limits<T>::denorm_min()));
  return std::abs(value - expected) <= bound;
}

}  // namespace convscale::testing
