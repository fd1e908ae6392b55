// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/kernel.hpp"
#include "cpu/row_kernel.hpp"

#include <cstddef>
#include <cstdint>

namespace convscale {

/// Kept rows row_begin..row_end of one image, and where they go: row-major and contiguous, elements
/// of the request's dtype; the pixels stand as the user has them, with no padding.
struct Piece {
  const std::byte* pixels = nullptr;  ///< (height, width), the whole image
  const std::byte* taps = nullptr;    ///< (filter_height, filter_width), not flipped
  std::int64_t row_begin = 0;
  std::int64_t row_end = 0;
  std::byte* results = nullptr;  ///< (row_end - row_begin, out_width)
  std::byte* scratch = nullptr;  ///< BasicPlan::scratch_bytes(), from a page on; the worker's own
};

/// Of elements of type T.
template <class T>
Piece piece_of(const T* pixels, const T* taps, std::int64_t row_begin, std::int64_t row_end,
               T* results, std::byte* scratch) {
  return {reinterpret_cast<const std::byte*>(pixels),
          reinterpret_cast<const std::byte*>(taps),
          row_begin,
          row_end,
          reinterpret_cast<std::byte*>(results),
          scratch};
}

/// A kernel set up for one request and one thread.
class Plan : public BasicPlan {
 public:
  /// What is left of such a group of rows is slower: pieces of an image should be whole groups. 0:
  /// it does whole images only.
  virtual std::int64_t row_group() const { return 0; }
  /// Method `full` computes and stores every output of the rows row_begin * stride .. row_end *
  /// stride of the mode; `strided` the kept ones alone.
  virtual void run(const Piece& piece) = 0;
};

using Kernel = BasicKernel<Plan, Request>;

/// The kernel that row functions make; they outlive it.
Kernel as_kernel(const RowKernel& rows);
inline const Kernel& as_kernel(const Kernel& kernel) { return kernel; }

}  // namespace convscale
