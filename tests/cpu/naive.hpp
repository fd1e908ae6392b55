// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace convscale::testing {

/// The definition of the full convolution, as plainly as it can be written, in float64.
struct Naive {
  std::vector<double> sum;        ///< (full_height, full_width): of tap * pixel
  std::vector<double> magnitude;  ///< of |tap| * |pixel|
};

template <class T>
Naive naive_convolution(const Shape& s, const T* image, const T* filter) {
  const std::int64_t k = s.filter_size;
  Naive out;
  for (std::int64_t y = 0; y < s.full_height(); ++y) {
    for (std::int64_t x = 0; x < s.full_width(); ++x) {
      double sum = 0, magnitude = 0;
      for (std::int64_t a = 0; a < k; ++a) {
        for (std::int64_t b = 0; b < k; ++b) {
          if (y - a < 0 || y - a >= s.height || x - b < 0 || x - b >= s.width) continue;
          const double product = static_cast<double>(filter[a * k + b]) *
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
