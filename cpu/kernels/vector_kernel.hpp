// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/scalar.hpp"
#include "cpu/row_kernel.hpp"

/// The vector kernel family, written once over a vector type V (vector_avx2.hpp, vector_avx512.hpp)
/// and compiled by one file for each instruction set.
///
///     for y, x:  out[y][x] = sum over a, b of taps[a][b] * pixels[y-a][x-b]
///
/// full: blocks of R rows x C vectors of outputs are summed in registers. A block reads R + K - 1
/// rows of pixels, each at K shifts, and each vector feeds up to R fused multiply-adds, so that
/// from R = 4 on the arithmetic limits and not the loads. Shifted loads cross cache lines, though,
/// so a vector type that can shift in registers does, for a filter whose size the compiler knows
/// (12 % for the 4 x 4 filter, pixels in the second-level cache). The image's edge differs from its
/// interior in the masks of loads and stores only: a pixel outside is never multiplied.
///
/// strided: lanes are neighbouring kept outputs, their pixels are gathered.
namespace convscale {
namespace {

template <class V>
using ElementOf = typename V::Element;

/// Brings the lines of `vectors` vectors at `p` towards the second-level cache; never faults.
template <class V, int kVectors>
inline void prefetch(const ElementOf<V>* p) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(ElementOf<V>));
#pragma GCC unroll 8
  for (int i = 0; i < kVectors * V::kLanes; i += kLine) __builtin_prefetch(p + i, 0, 2);
}

/// Without this GCC loads a vector again for each multiply-add that uses it.
template <class Register>
inline void keep_in_register(Register& v) {
  asm("" : "+v"(v));
}

/// Where a block lies: all pixels that it needs are inside the image, or some rows, or columns as
/// well, are not.
enum class Edge { kNone, kRows, kRowsAndColumns };

/// Sums one block of kR rows x kC vectors of the full convolution at (y, x) and stores it to `out`,
/// `pitch` elements a row. kK: the filter's size, whose taps are in `registers`; or 0 if it is
/// known at run time only.
template <class V, int kK, int kR, int kC, Edge kEdge>
inline void full_block(const Image<ElementOf<V>>& image, const typename V::Register* registers,
                       std::int64_t y, std::int64_t x, ElementOf<V>* out, std::int64_t pitch) {
  using T = ElementOf<V>;
  using Register = typename V::Register;
  const std::int64_t k = kK > 0 ? kK : image.filter_size;

  Register sums[kR][kC];
#pragma GCC unroll 8
  for (int i = 0; i < kR; ++i) {
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) sums[i][c] = V::zero();
  }

  const T* next_row = image.pixels + (y - (k - 1)) * image.width + x;
  // Pixel row d of the block is image row y - (K-1) + d; it meets tap row a = i + K-1 - d of output
  // row i.
  const auto add_row = [&](std::int64_t d, bool all_rows) __attribute__((always_inline)) {
    const std::int64_t row_index = y - (k - 1) + d;
    const T* row = next_row;
    next_row += image.width;
    if (kEdge != Edge::kNone && (row_index < 0 || row_index >= image.height)) return;
    // The block below needs kR rows that nobody has read yet; without this their misses wait for
    // the arithmetic to reach them.
    if (kEdge == Edge::kNone && d >= k - 1) prefetch<V, kC>(row + kR * image.width);
    constexpr bool kShiftIn = kK > 1 && kK - 1 <= V::kMaxShiftIn && kEdge == Edge::kNone;
    Register row_pixels[kC + 1];  // columns x - lanes .., as they lie in memory
#pragma GCC unroll 8
    for (int c = 0; kShiftIn && c <= kC; ++c) {
      row_pixels[c] = V::load(row + (c - 1) * V::kLanes);
      keep_in_register(row_pixels[c]);
    }
#pragma GCC unroll 8
    for (std::int64_t b = 0; b < k; ++b) {
      Register pixels[kC];
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) {
        const std::int64_t shift = c * V::kLanes - b;
        if constexpr (kShiftIn) {
          pixels[c] = V::shift_in(row_pixels[c], row_pixels[c + 1], b);
        } else if (kEdge == Edge::kRowsAndColumns) {
          pixels[c] = V::load(row + shift, V::lanes(-(x + shift), image.width - (x + shift)));
        } else {
          pixels[c] = V::load(row + shift);
        }
        keep_in_register(pixels[c]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < kR; ++i) {
        const std::int64_t a = i + k - 1 - d;
        if (!all_rows && (a < 0 || a >= k)) continue;
        const Register tap = kK > 0 ? registers[a * k + b] : V::broadcast(image.taps[a * k + b]);
#pragma GCC unroll 8
        for (int c = 0; c < kC; ++c) sums[i][c] = V::fma(pixels[c], tap, sums[i][c]);
      }
    }
  };
  if constexpr (kK > 0) {
#pragma GCC unroll 16
    for (int d = 0; d < kR + kK - 1; ++d) add_row(d, false);  // unrolled: which rows meet is known
  } else {
    std::int64_t d = 0;
    for (; d < kR - 1; ++d) add_row(d, false);
    for (; d < k; ++d) add_row(d, true);
    for (; d < kR + k - 1; ++d) add_row(d, false);
  }

#pragma GCC unroll 8
  for (int i = 0; i < kR; ++i) {
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      T* target = out + i * pitch + c * V::kLanes;
      if (kEdge == Edge::kRowsAndColumns) {
        V::store(target, sums[i][c], V::lanes(0, image.full_width() - (x + c * V::kLanes)));
      } else {
        V::store(target, sums[i][c]);
      }
    }
  }
}

/// kR rows of the full convolution from row y on: single vectors at the left and right edge, blocks
/// of kC vectors between.
template <class V, int kK, int kR, int kC>
inline void full_row_group(const Image<ElementOf<V>>& image, const typename V::Register* registers,
                           std::int64_t y, ElementOf<V>* out, std::int64_t pitch) {
  constexpr std::int64_t kBlock = kC * V::kLanes;
  const std::int64_t k = kK > 0 ? kK : image.filter_size;
  std::int64_t x = 0;
  for (; x < k - 1 && x < image.full_width(); x += V::kLanes) {
    full_block<V, kK, kR, 1, Edge::kRowsAndColumns>(image, registers, y, x, out + x, pitch);
  }
  if (y >= k - 1 && y + kR <= image.height) {
    for (; x + kBlock <= image.width; x += kBlock) {
      full_block<V, kK, kR, kC, Edge::kNone>(image, registers, y, x, out + x, pitch);
    }
  } else {
    for (; x + kBlock <= image.width; x += kBlock) {
      full_block<V, kK, kR, kC, Edge::kRows>(image, registers, y, x, out + x, pitch);
    }
  }
  for (; x + V::kLanes <= image.width; x += V::kLanes) {
    full_block<V, kK, kR, 1, Edge::kRows>(image, registers, y, x, out + x, pitch);
  }
  for (; x < image.full_width(); x += V::kLanes) {
    full_block<V, kK, kR, 1, Edge::kRowsAndColumns>(image, registers, y, x, out + x, pitch);
  }
}

template <class V, int kK, int kC>
inline void full_rows_of(const Image<ElementOf<V>>& image, std::int64_t row_begin,
                         std::int64_t row_end, ElementOf<V>* out, std::int64_t pitch) {
  constexpr int kTaps = kK > 0 ? kK * kK : 1;
  typename V::Register registers[kTaps];
  if constexpr (kK > 0) {
#pragma GCC unroll 32
    for (int i = 0; i < kTaps; ++i) registers[i] = V::broadcast(image.taps[i]);
  }
  std::int64_t y = row_begin;
  for (; y + kRowGroup <= row_end; y += kRowGroup, out += kRowGroup * pitch)
    full_row_group<V, kK, kRowGroup, kC>(image, registers, y, out, pitch);
  for (; y < row_end; ++y, out += pitch)
    full_row_group<V, kK, 1, kC>(image, registers, y, out, pitch);
}

/// The usual small filters have loops of their own, unrolled: with float64 and AVX-512 3 x 3 gained
/// 18 % by it and 5 x 5 36 % (33 x 1000^2, two cores); 7 x 7 lost 4 %.
template <class V>
void full_rows(const Image<ElementOf<V>>& image, std::int64_t row_begin, std::int64_t row_end,
               ElementOf<V>* out, std::int64_t pitch) {
  switch (image.filter_size) {
    case 3:
      return full_rows_of<V, 3, V::kColumnsSmall>(image, row_begin, row_end, out, pitch);
    case 4:
      return full_rows_of<V, 4, V::kColumnsSmall>(image, row_begin, row_end, out, pitch);
    case 5:
      return full_rows_of<V, 5, V::kColumnsSmall>(image, row_begin, row_end, out, pitch);
    default:
      return full_rows_of<V, 0, V::kColumns>(image, row_begin, row_end, out, pitch);
  }
}

inline const char* full_path(std::int64_t filter_size) {
  switch (filter_size) {
    case 3:
      return "3x3";
    case 4:
      return "4x4";
    case 5:
      return "5x5";
    default:
      return "any size";
  }
}

inline const char* strided_path(std::int64_t filter_size, std::int64_t stride) {
  return stride == 1 ? full_path(filter_size) : "gather";
}

template <class V>
void strided_rows(const Image<ElementOf<V>>& image, std::int64_t row_begin, std::int64_t row_end,
                  ElementOf<V>* out) {
  using T = ElementOf<V>;
  const std::int64_t k = image.filter_size, s = image.stride, out_width = image.out_width();
  if (s == 1) return full_rows<V>(image, row_begin, row_end, out, out_width);

  const std::int64_t first =
      (k - 1 + s - 1) / s;  // of the outputs whose columns all lie inside the image
  for (std::int64_t i = row_begin; i < row_end; ++i, out += out_width) {
    const std::int64_t y = i * s;
    const std::int64_t a_begin = y >= image.height ? y - image.height + 1 : 0,
                       a_end = y < k ? y + 1 : k;
    std::int64_t j = 0;
    for (; j < out_width && j < first; ++j) out[j] = output_at(image, y, j * s);
    for (; j + V::kLanes <= out_width && (j + V::kLanes - 1) * s < image.width; j += V::kLanes) {
      typename V::Register even = V::zero(),
                           odd = V::zero();  // two chains, to hide the latency of the sum
      for (std::int64_t a = a_begin; a < a_end; ++a) {
        const T* row = image.pixels + (y - a) * image.width + j * s;
        const T* taps = image.taps + a * k;
        std::int64_t b = 0;
        for (; b + 2 <= k; b += 2) {
          even = V::fma(V::gather(row - b, s), V::broadcast(taps[b]), even);
          odd = V::fma(V::gather(row - b - 1, s), V::broadcast(taps[b + 1]), odd);
        }
        if (b < k) even = V::fma(V::gather(row - b, s), V::broadcast(taps[b]), even);
      }
      V::store(out + j, V::add(even, odd));
    }
    for (; j < out_width; ++j) out[j] = output_at(image, y, j * s);
  }
}

}  // namespace
}  // namespace convscale
