// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"

#include <Eigen/Core>

#include <cstdint>

namespace convscale {

/// The slow convolution that defines correct, for a band of kept output rows of one image.
struct ReferenceBand {
  using Array = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  Array expected;   ///< (rows, out_width): sum of tap * pixel, in float64
  Array magnitude;  ///< (rows, out_width): sum of |tap| * |pixel|

  /// Computes kept rows row_begin..row_end. `image` is (height, width), `filter` (K, K), both
  /// row-major and in the dtype that was measured; arithmetic is float64. One pass over the band
  /// for each tap: output (i, j) gets tap (a, b) times pixel (i S - a, j S - b), where that lies
  /// inside the image.
  template <class T>
  void compute(const Shape& shape, const T* image, const T* filter, std::int64_t row_begin,
               std::int64_t row_end);
};

}  // namespace convscale
