// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "cpu/kernel.hpp"

#include <cstdint>

namespace convscale {

/// The buffer through which method `full` passes the undecimated outputs, band of rows by band of
/// rows.
struct ScratchShape {
  std::int64_t rows = 0;   ///< of a band
  std::int64_t pitch = 0;  ///< elements from row to row

  std::int64_t elements() const { return rows * pitch; }
};

/// Nothing for a stride of 1, where every output is kept and goes straight to the results.
ScratchShape full_scratch(const Shape& shape, std::int64_t element_bytes);

/// Computes kept rows row_begin..row_end of one image to `out` (row_end - row_begin, out_width) by
/// method `full`: every output of the full rows row_begin * stride .. row_end * stride is computed
/// and stored to `scratch`, or to `out` for a stride of 1, and every stride-th of every stride-th
/// row is copied from there.
template <class T>
void convolve_full(const Operations<T>& kernel, const Image<T>& image, std::int64_t row_begin,
                   std::int64_t row_end, const ScratchShape& scratch_shape, T* scratch, T* out);

}  // namespace convscale
