// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/vector_phases.hpp"

namespace convscale {
namespace {

/// Lane l of vector kVector of a row of taps with the period kS: column x belongs to the window
/// that ends in column S j >= x, with tap b = S j - x.
template <int kLanes, int kS, int kVector>
struct TapOrder {
  static constexpr int of(int lane) { return (kS - (kVector * kLanes + lane) % kS) % kS; }
};

/// The last kCount lanes of one vector followed by the first ones of the next.
template <int kLanes, int kCount>
struct ShiftInOrder {
  static constexpr int of(int lane) { return kLanes - kCount + lane; }
};

/// Kept outputs whose windows do not overlap, K <= S <= 7: rows of pixels are read as they lie in
/// memory, S vectors (S x lanes columns, in which `lanes` windows end) at a time, and multiplied by
/// taps laid out with the period S. Summed over the filter's rows, the columns are sorted into
/// phases, which add up to one vector of outputs. A column between windows meets a tap of 0, and no
/// sum that is kept.
template <class V, int kS, int kK>
class Windows {
 public:
  using T = ElementOf<V>;
  using Register = typename V::Register;

  explicit Windows(const Image<T>& image) : image_(image) {
    for (int a = 0; a < kK; ++a) {
      const T* const row = image.taps + a * kK;
      set_taps<0>(taps_[a], V::load(row, V::lanes(0, kK)),
                  V::load(row + V::kLanes, V::lanes(0, kK - V::kLanes)));
    }
  }

  /// Stores kept rows begin..end, contiguous.
  void rows(std::int64_t begin, std::int64_t end, T* out) const {
    const std::int64_t width = image_.out_width();
    for (std::int64_t i = begin; i < end; ++i, out += width) {
      const std::int64_t y = i * kS;
      row(y, y >= image_.height ? y - image_.height + 1 : 0, y < kK ? y + 1 : kK, out);
    }
  }

 private:
  static constexpr std::int64_t kGroup = kS * V::kLanes;

  template <int kVector>
  static void set_taps(Register (&taps)[kS], Register low, Register high) {
    taps[kVector] = V::template shuffle<TapOrder<V::kLanes, kS, kVector>>(low, high);
    if constexpr (kVector + 1 < kS) set_taps<kVector + 1>(taps, low, high);
  }

  /// One row of outputs, from the pixel rows y - a with a_begin <= a < a_end, which lie inside the
  /// image.
  void row(std::int64_t y, std::int64_t a_begin, std::int64_t a_end, T* out) const {
    const std::int64_t width = image_.width, out_width = image_.out_width();
    const T* const pixels = image_.pixels + y * width;
    Register rest = V::zero();  // of the windows that end in the next group
    std::int64_t x = 0, j = 0;
    if (a_begin == 0 && a_end == kK) {
      const std::int64_t ahead = 2 * kS * width;
      for (; x + kGroup <= width; x += kGroup, j += V::kLanes) {
        const T* const p = pixels + x;
        Register sums[kS];
#pragma GCC unroll 8
        for (int v = 0; v < kS; ++v) {
          sums[v] = V::zero();
#pragma GCC unroll 8
          for (int a = 0; a < kK; ++a)
            sums[v] = V::fma(V::load(p - a * width + v * V::kLanes), taps_[a][v], sums[v]);
        }
#pragma GCC unroll 8
        for (int a = 0; a < kK; ++a) {
          constexpr int kLine = 64 / static_cast<int>(sizeof(T));
#pragma GCC unroll 8
          for (int n = 0; n < kGroup; n += kLine)
            __builtin_prefetch(p - a * width + ahead + n, 0, V::kPrefetchWindows);
        }
        V::store(out + j, windows(sums, rest));
      }
    }
    for (; j < out_width; x += kGroup, j += V::kLanes) {
      Register sums[kS];
#pragma GCC unroll 8
      for (int v = 0; v < kS; ++v) {
        const std::int64_t c = x + v * V::kLanes;
        const typename V::Mask inside = V::lanes(0, width - c);
        sums[v] = V::zero();
        for (std::int64_t a = a_begin; a < a_end && c < width; ++a)
          sums[v] = V::fma(V::load(pixels - a * width + c, inside), taps_[a][v], sums[v]);
      }
      V::store(out + j, windows(sums, rest), V::lanes(0, out_width - j));
    }
  }

  /// The windows that end in a group of columns whose `sums` over the filter's rows these are.
  /// `rest`: what the group before has left for its next window, and then what this one has.
  __attribute__((always_inline)) static Register windows(const Register (&sums)[kS],
                                                         Register& rest) {
    // Column 0 of each period ends a window; what is left of it lies in the period before.
    const Register before = rest;
    rest = V::zero();
    for_each_phase<V, kS>(
        sums, kK - 1, [&](int, Register columns) __attribute__((always_inline)) {
          rest = V::add(rest, columns);
        });
    return V::add(phase<V, kS, 0>(sums, sums[0]),
                  V::template shuffle<ShiftInOrder<V::kLanes, 1>>(before, rest));
  }

  const Image<T>& image_;
  Register taps_[kK][kS];
};

template <class V, int kS, int kK = kS>
inline void window_rows_of(const Image<ElementOf<V>>& image, std::int64_t begin, std::int64_t end,
                           ElementOf<V>* out) {
  if (image.filter_size == kK) return Windows<V, kS, kK>(image).rows(begin, end, out);
  if constexpr (kK > 1) window_rows_of<V, kS, kK - 1>(image, begin, end, out);
}

template <class V, int kS = 7>
inline void window_rows(const Image<ElementOf<V>>& image, std::int64_t begin, std::int64_t end,
                        ElementOf<V>* out) {
  if (image.stride == kS) return window_rows_of<V, kS>(image, begin, end, out);
  if constexpr (kS > 2) window_rows<V, kS - 1>(image, begin, end, out);
}

}  // namespace
}  // namespace convscale
