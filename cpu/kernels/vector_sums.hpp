// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

namespace convscale {
namespace {

template <class V>
using ElementOf = typename V::Element;

/// Without this GCC loads a vector again for each multiply-add that uses it.
template <class Register>
inline void keep_in_register(Register& v) {
  asm("" : "+v"(v));
}

/// Bytes that the taps of the largest filter take in a workspace, in whole lines.
inline constexpr std::int64_t kTapBytes = (kMaxFilter * kMaxFilter * 8 + 63) / 64 * 64;

/// Whole vectors of at least `count` elements, in elements.
template <class V>
constexpr std::int64_t round_up(std::int64_t count) {
  return (count + V::kLanes - 1) / V::kLanes * V::kLanes;
}

/// Rows of taps that are summed together, and the rows of pixels that they meet: output row i and
/// tap u meet rows[i - u + count - 1]; null: outside of the image.
template <class T>
struct Slice {
  const T* const* rows;
  const T* taps;  // [b][u], `pitch` from b to b + 1
  std::int64_t pitch;
  int count;
};

/// Cuts `count` rows of taps, [b][u], into slices that the registers hold, and says how many.
template <class V>
inline int cut(const ElementOf<V>* const* rows, const ElementOf<V>* taps, std::int64_t count,
               Slice<ElementOf<V>>* slices) {
  const std::int64_t n = (count + V::kSlice - 1) / V::kSlice;
  std::int64_t u = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t of_slice = (count - u + n - i - 1) / (n - i);
    slices[i] = {rows + count - u - of_slice, taps + u, count, static_cast<int>(of_slice)};
    u += of_slice;
  }
  return static_cast<int>(n);
}

/// Elements of a line.
template <class V>
inline constexpr int kLine = 64 / static_cast<int>(sizeof(ElementOf<V>));

/// Prefetches the lines of kC vectors; never faults.
template <class V, int kC>
__attribute__((always_inline)) inline void prefetch(const ElementOf<V>* pixels) {
#pragma GCC unroll 8
  for (int n = 0; n < kC * V::kLanes; n += kLine<V>)
    __builtin_prefetch(pixels + n, 0, V::kPrefetch);
}

/// The prefetches of a block, in the order of memory and spread evenly over its steps: a step is a
/// column of a slice of taps.
template <class V>
struct Prefetches {
  const ElementOf<V>* pixels;
  std::int64_t rate = 0;   ///< lines a step, in units of 2^-16
  std::int64_t begin = 0;  ///< steps of the slices before

  static std::int64_t rate_of(std::int64_t elements, std::int64_t steps) {
    return (elements << 16) / kLine<V> / steps + 1;
  }

  __attribute__((always_inline)) void issue(std::int64_t step) const {
    step += begin;
    for (std::int64_t n = step * rate >> 16; n < (step + 1) * rate >> 16; ++n)
      __builtin_prefetch(pixels + n * kLine<V>, 0, V::kPrefetch);
  }
};

/// kR x kC vectors of outputs, one block of a convolution:
///     of[i][c] += sum over u, b of taps[b][u] * rows[i - u + count - 1][x + c lanes + offsets[b]]
/// A tap of each of up to V::kSlice rows of the filter is in a register while the pixel rows pass,
/// each loaded once: kU taps and kR + kU - 1 loads a column for kR kU multiply-adds. Larger filters
/// take several slices.
template <class V, int kR, int kC>
struct Sums {
  using T = ElementOf<V>;
  using Register = typename V::Register;
  Register of[kR][kC];

  __attribute__((always_inline)) void clear() {
#pragma GCC unroll 8
    for (int i = 0; i < kR; ++i) {
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) of[i][c] = V::zero();
    }
  }

  template <int kU, bool kPrefetch>
  __attribute__((always_inline)) void add(const Slice<T>& slice, std::int64_t x,
                                          const std::int64_t* offsets, std::int64_t k,
                                          const Prefetches<V>& prefetches) {
    const T* taps = slice.taps;
    for (std::int64_t b = 0; b < k; ++b, taps += slice.pitch) {
      const std::int64_t at = x + offsets[b];
      if (kPrefetch) prefetches.issue(b);
      Register tap[kU];
#pragma GCC unroll 8
      for (int u = 0; u < kU; ++u) {
        tap[u] = V::broadcast(taps[u]);
        keep_in_register(tap[u]);
      }
#pragma GCC unroll 16
      for (int d = 0; d < kR + kU - 1; ++d) {
        const T* row = slice.rows[d];
        if (row == nullptr) continue;
        Register in[kC];
#pragma GCC unroll 8
        for (int c = 0; c < kC; ++c) {
          in[c] = V::load(row + at + c * V::kLanes);
          keep_in_register(in[c]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < kR; ++i) {
          const int u = i + kU - 1 - d;
          if (u < 0 || u >= kU) continue;
#pragma GCC unroll 8
          for (int c = 0; c < kC; ++c) of[i][c] = V::fma(in[c], tap[u], of[i][c]);
        }
      }
    }
  }

  /// The same for a slice of one row of taps, which meet columns x, x - 1, ..: loads for each
  /// vector and tap, most of them across two lines, would take twice as long as the multiply-adds.
  /// So kN taps share loads, and those after the first get their vectors, but for the leftmost, by
  /// shifts in registers. 1 x 31 took 0.56 of the time, two cores of an EPYC of Zen 5, 2026-11-29.
  template <bool kPrefetch, int kN = 4>
  __attribute__((always_inline)) void add_row(const Slice<T>& slice, std::int64_t x, std::int64_t k,
                                              const Prefetches<V>& prefetches, std::int64_t b = 0) {
    for (; b + kN <= k; b += kN) {
      Register tap[kN];
#pragma GCC unroll 8
      for (int n = 0; n < kN; ++n) {
        if constexpr (kPrefetch) prefetches.issue(b + n);
        tap[n] = V::broadcast(slice.taps[b + n]);
        keep_in_register(tap[n]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < kR; ++i) {
        if (slice.rows[i] == nullptr) continue;
        const T* const row = slice.rows[i] + x - b;
        Register raw[kC];
#pragma GCC unroll 8
        for (int c = 0; c < kC; ++c) {
          raw[c] = V::load(row + c * V::kLanes);
          keep_in_register(raw[c]);
          of[i][c] = V::fma(raw[c], tap[0], of[i][c]);
        }
        add_shifted<1>(i, row, raw, tap);
      }
    }
    if constexpr (kN > 1) add_row<kPrefetch, 1>(slice, x, k, prefetches, b);
  }

  template <bool kPrefetch>
  __attribute__((always_inline)) void add(const Slice<T>& slice, std::int64_t x,
                                          const std::int64_t* offsets, std::int64_t k,
                                          const Prefetches<V>& prefetches) {
    switch (slice.count) {
      case 1:
        return add<1, kPrefetch>(slice, x, offsets, k, prefetches);
      case 2:
        return add<2, kPrefetch>(slice, x, offsets, k, prefetches);
      case 3:
        return add<3, kPrefetch>(slice, x, offsets, k, prefetches);
      case 4:
        return add<4, kPrefetch>(slice, x, offsets, k, prefetches);
      case 5:
        if constexpr (V::kSlice >= 5) return add<5, kPrefetch>(slice, x, offsets, k, prefetches);
        break;
      case 6:
        if constexpr (V::kSlice >= 6) return add<6, kPrefetch>(slice, x, offsets, k, prefetches);
        break;
      case 7:
        if constexpr (V::kSlice >= 7) return add<7, kPrefetch>(slice, x, offsets, k, prefetches);
        break;
      case 8:
        if constexpr (V::kSlice >= 8) return add<8, kPrefetch>(slice, x, offsets, k, prefetches);
        break;
    }
  }

  template <int kShift, int kN>
  __attribute__((always_inline)) void add_shifted(int i, const T* row, const Register (&raw)[kC],
                                                  const Register (&tap)[kN]) {
    if constexpr (kShift < kN) {
      of[i][0] = V::fma(V::load(row - kShift), tap[kShift], of[i][0]);
#pragma GCC unroll 8
      for (int c = 1; c < kC; ++c) {
        of[i][c] = V::fma(V::template shift_in<kShift>(raw[c - 1], raw[c]), tap[kShift], of[i][c]);
      }
      add_shifted<kShift + 1>(i, row, raw, tap);
    }
  }

  /// Stores the first `rows` rows, and of a row what lies before `width`.
  __attribute__((always_inline)) void store(T* out, std::int64_t pitch, std::int64_t rows,
                                            std::int64_t width) const {
#pragma GCC unroll 8
    for (int i = 0; i < kR; ++i) {
      if (i >= rows) break;
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) {
        T* target = out + i * pitch + c * V::kLanes;
        if ((c + 1) * V::kLanes <= width) {
          V::store(target, of[i][c]);
        } else {
          V::store(target, of[i][c], V::lanes(0, width - c * V::kLanes));
        }
      }
    }
  }
};

}  // namespace
}  // namespace convscale
