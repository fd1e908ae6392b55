// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/scalar.hpp"
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

/// Kept outputs whose windows overlap by little or not at all, S <= 7. kQ: windows that a column
/// can lie in, ceil(Kw / S).
///
/// Rows of pixels are read as they lie in memory, S vectors (S x lanes columns, in which `lanes`
/// windows end) at a time, and multiplied by taps laid out with the period S: of sum q, column x
/// has the tap b = S (j + q) - x of the window that ends q periods after the first one to hold x,
/// at S j >= x. Summed over the filter's rows, the columns are sorted into phases, and those of a
/// window add up. A column outside of a window meets a tap of 0, and no sum that is kept.
///
/// kRows: rows of the filter whose loop is unrolled: all of a filter of at most S x S, whose taps
/// are registers (kHeld); else S, those that no output row before has read, or 1 if it has fewer.
/// Rows that come from memory have loads of their own, whose sequences the processor can follow: a
/// loop over them reached 14 GB/s in place of 18 without prefetches (K 7, S 5), and with them 26 in
/// place of 26 (K 7), 18 in place of 21 (K 11), one core of an EPYC of Zen 5, float64, 2026-11-29.
template <class V, int kS, int kQ, int kRows, bool kHeld = false>
class Windows {
 public:
  using T = ElementOf<V>;
  using Register = typename V::Register;

  explicit Windows(const Image<T>& image) : image_(image) {
    if constexpr (!kHeld) {
      lay_out_taps();
    } else {
      for (int a = 0; a < kRows; ++a) {
        const T* const row = image.taps + a * kRows;
        set_taps<0>(taps_[a], V::load(row, V::lanes(0, kRows)),
                    V::load(row + V::kLanes, V::lanes(0, kRows - V::kLanes)));
      }
    }
  }

  /// Stores kept rows begin..end, contiguous.
  void rows(std::int64_t begin, std::int64_t end, T* out) const {
    const std::int64_t width = image_.out_width(), ahead = rows_ahead();
    const std::int64_t height = (image_.dense_height + kS - 1) / kS;
    const std::int64_t next_image = (image_.rows.end - image_.rows.begin) - height * kS;
    for (std::int64_t i = begin; i < end; ++i, out += width) {
      const std::int64_t rows = kS * ahead + (i + ahead < height ? 0 : next_image);
      row(i * kS, taps_inside(i * kS, image_.rows, filter_height()), rows * image_.width, out);
    }
  }

 private:
  static constexpr std::int64_t kGroup = kS * V::kLanes;

  std::int64_t filter_height() const { return kHeld ? kRows : image_.filter_size.height; }
  std::int64_t filter_width() const { return kHeld ? kRows : image_.filter_size.width; }

  template <int kVector>
  static void set_taps(Register (&taps)[kS], Register low, Register high) {
    taps[kVector] = V::template shuffle<TapOrder<V::kLanes, kS, kVector>>(low, high);
    if constexpr (kVector + 1 < kS) set_taps<kVector + 1>(taps, low, high);
  }

  /// Of rows of pixels. Where the next image's rows follow in their own order, not in that of more
  /// rows of this one, 32 x 32 takes 0.57 of the time, 64 x 64 float32 0.66, float64 0.93, one core
  /// of an EPYC of Zen 5, 2026-11-29.
  static constexpr std::int64_t kBytesAhead = 8 << 10;

  /// How far ahead pixels are prefetched, in rows of outputs; behind an image's last lies the next
  /// image's first.
  std::int64_t rows_ahead() const {
    const std::int64_t rows = kBytesAhead / (kS * image_.width * std::int64_t{sizeof(T)});
    return rows < 2 ? 2 : rows;
  }

  /// Vectors of taps, [a][vector][q] in the workspace.
  void lay_out_taps() const {
    const std::int64_t height = image_.filter_size.height, width = image_.filter_size.width;
    T* to = reinterpret_cast<T*>(image_.workspace);
    T period[kQ][kS + V::kLanes];
    for (std::int64_t a = 0; a < height; ++a) {
      for (int q = 0; q < kQ; ++q) {
        for (int x = 0; x < kS; ++x) {
          const std::int64_t b = (kS - x) % kS + q * kS;
          period[q][x] = b < width ? image_.taps[a * width + b] : T(0);
        }
        for (int x = 0; x < V::kLanes; ++x) period[q][kS + x] = period[q][x];
      }
      for (int v = 0; v < kS; ++v) {
        for (int q = 0; q < kQ; ++q, to += V::kLanes)
          V::store(to, V::load(period[q] + v * V::kLanes % kS));
      }
    }
  }

  __attribute__((always_inline)) Register tap(std::int64_t a, int v, int q) const {
    if constexpr (!kHeld) {
      return V::load(reinterpret_cast<const T*>(image_.workspace) +
                     ((a * kS + v) * kQ + q) * V::kLanes);
    } else {
      return taps_[a][v];
    }
  }

  /// Adds row `a` of the filter times vector v of a group of pixels.
  __attribute__((always_inline)) void add(Register (&sums)[kQ][kS], std::int64_t a, int v,
                                          Register pixels) const {
    if constexpr (kQ > 1) keep_in_register(pixels);
#pragma GCC unroll 8
    for (int q = 0; q < kQ; ++q) sums[q][v] = V::fma(pixels, tap(a, v, q), sums[q][v]);
  }

  /// One row of outputs, from the rows `taps` of the filter, which meet pixels.
  void row(std::int64_t y, Range taps, std::int64_t ahead, T* out) const {
    const std::int64_t width = image_.width, out_width = image_.out_width();
    const std::int64_t inside = image_.columns.end / kGroup * kGroup;
    const T* const pixels = image_.pixels + y * width;
    Register before[kQ];
    for (auto& rest : before) rest = V::zero();
    if (image_.columns.begin < 0) {  // what windows reach of the group left of them
      Register sums[kQ][kS];
      add_edge(sums, taps, pixels, -kGroup, image_.columns.begin);
      windows(sums, before);
    }
    std::int64_t x = 0, j = 0;
    if (taps.begin == 0 && taps.end == filter_height()) {
      for (; x < inside; x += kGroup, j += V::kLanes) {
        Register sums[kQ][kS];
        clear(sums);
#pragma GCC unroll 8
        for (int v = 0; v < kS; ++v) {
#pragma GCC unroll 8
          for (int a = 0; a < kRows; ++a)
            add(sums, a, v, V::load(pixels + x - a * width + v * V::kLanes));
        }
#pragma GCC unroll 8
        for (int a = 0; a < kRows; ++a) prefetch<V, kS>(pixels + x - a * width + ahead);
        if constexpr (!kHeld) {
          for (std::int64_t a = 1; kRows == 1 && a < taps.end; ++a)
            prefetch<V, kS>(pixels + x - a * width + ahead);
          add_rows(sums, kRows, taps.end, pixels + x);
        }
        V::store(out + j, windows(sums, before));
      }
    }
    for (; j < out_width; x += kGroup, j += V::kLanes) {
#pragma GCC unroll 8
      for (int n = 0; n < kGroup; n += kLine<V>) {
        if (x + n >= image_.columns.end) break;
#pragma GCC unroll 8
        for (int a = 0; a < kRows; ++a) prefetch<V, 1>(pixels + x + n - a * width + ahead);
      }
      Register sums[kQ][kS];
      if (x < inside) {
        clear(sums);
        add_rows(sums, taps.begin, taps.end, pixels + x);
      } else {
        add_edge(sums, taps, pixels, x, x);
      }
      V::store(out + j, windows(sums, before), V::lanes(0, out_width - j));
    }
  }

  __attribute__((always_inline)) static void clear(Register (&sums)[kQ][kS]) {
#pragma GCC unroll 8
    for (int q = 0; q < kQ; ++q) {
#pragma GCC unroll 8
      for (int v = 0; v < kS; ++v) sums[q][v] = V::zero();
    }
  }

  /// Rows a .. a_end of the filter, whose row 0 meets pixels[0] on.
  __attribute__((always_inline)) void add_rows(Register (&sums)[kQ][kS], std::int64_t a,
                                               std::int64_t a_end, const T* pixels) const {
    for (; a < a_end; ++a) {
#pragma GCC unroll 8
      for (int v = 0; v < kS; ++v)
        add(sums, a, v, V::load(pixels - a * image_.width + v * V::kLanes));
    }
  }

  /// Sets `sums` to the filter's rows `taps` times a group of columns from x on, of which those
  /// from `begin` on exist as far as the image goes. Vectors beyond are left out: loads without a
  /// lane would fetch rows of pixels that no window needs, and 4 x 4 by 5 took 1.03 to 1.07 of
  /// the time, one core of an EPYC of Zen 5, 2026-11-29.
  __attribute__((always_inline)) void add_edge(Register (&sums)[kQ][kS], Range taps,
                                               const T* pixels, std::int64_t x,
                                               std::int64_t begin) const {
    clear(sums);
#pragma GCC unroll 8
    for (int v = 0; v < kS; ++v) {
      const std::int64_t c = x + v * V::kLanes;
      if (c >= image_.columns.end || c + V::kLanes <= begin) continue;
      const auto lanes = V::lanes(begin - c, image_.columns.end - c);
      for (std::int64_t a = taps.begin; a < taps.end; ++a)
        add(sums, a, v, V::load(pixels - a * image_.width + c, lanes));
    }
  }

  /// The windows that end in a group of columns whose `sums` over the filter's rows these are.
  /// before[q]: what the group before has left for the windows q + 1 periods on, and then what this
  /// one has.
  template <int kN = 0>
  __attribute__((always_inline)) Register windows(const Register (&sums)[kQ][kS],
                                                  Register (&before)[kQ]) const {
    // Column 0 of each period ends a window; what is left of it lies in the period before.
    const Register last = before[kN];
    const std::int64_t count = kN + 1 < kQ ? kS - 1 : filter_width() - 1 - kS * (kQ - 1);
    Register rest = sum_of_phases<V, kS>(sums[kN], count);
    if constexpr (kN + 1 < kQ) {
      rest = V::add(rest, phase<V, kS, 0>(sums[kN + 1]));
    }
    before[kN] = rest;
    Register outputs = V::template shuffle<ShiftInOrder<V::kLanes, kN + 1>>(last, rest);
    if constexpr (kN == 0) outputs = V::add(outputs, phase<V, kS, 0>(sums[0]));
    if constexpr (kN + 1 < kQ) outputs = V::add(outputs, windows<kN + 1>(sums, before));
    return outputs;
  }

  const Image<T>& image_;
  Register taps_[kHeld ? kRows : 1][kS];
};

/// Of a column. With four, prefetches and loads get into each other's way (avx512.cpp): polyphase
/// took 0.67 to 0.79 of the time with K 7 by 2 and K 11 by 3, one core of an EPYC of Zen 5,
/// 2026-11-29.
inline constexpr std::int64_t kMostWindows = 3;

/// Windows that a column, or a row, can lie in.
constexpr std::int64_t windows_over(std::int64_t taps, std::int64_t stride) {
  return (taps + stride - 1) / stride;
}

/// True if this way takes the filter.
template <class Tuning>
constexpr bool takes_windows(FilterSize filter_size, std::int64_t stride) {
  const std::int64_t across = windows_over(filter_size.width, stride);
  const std::int64_t down = windows_over(filter_size.height, stride);
  return stride <= 7 && across <= kMostWindows && down <= kMostWindows &&
         across * stride <= Tuning::kWindowSums;
}

/// The taps are registers.
constexpr bool are_held(FilterSize filter_size, std::int64_t stride) {
  return filter_size.height == filter_size.width && filter_size.height <= stride;
}

/// Of the workspace.
template <class V>
constexpr std::int64_t window_bytes(FilterSize filter_size, std::int64_t stride) {
  if (are_held(filter_size, stride)) return 0;
  return filter_size.height * windows_over(filter_size.width, stride) * stride * V::kLanes *
         std::int64_t{sizeof(ElementOf<V>)};
}

/// Filters of K x K, K <= S.
template <class V, int kS, int kK = kS>
inline void held_window_rows(const Image<ElementOf<V>>& image, std::int64_t begin, std::int64_t end,
                             ElementOf<V>* out) {
  if (image.filter_size.height == kK) {
    return Windows<V, kS, 1, kK, true>(image).rows(begin, end, out);
  }
  if constexpr (kK > 1) held_window_rows<V, kS, kK - 1>(image, begin, end, out);
}

/// Other filters.
template <class V, int kS, int kQ = 1>
inline void laid_out_window_rows(const Image<ElementOf<V>>& image, std::int64_t begin,
                                 std::int64_t end, ElementOf<V>* out) {
  if constexpr (kQ < kMostWindows && (kQ + 1) * kS <= V::kWindowSums) {
    if (image.filter_size.width > kQ * kS)
      return laid_out_window_rows<V, kS, kQ + 1>(image, begin, end, out);
  }
  if (image.filter_size.height < kS) return Windows<V, kS, kQ, 1>(image).rows(begin, end, out);
  return Windows<V, kS, kQ, kS>(image).rows(begin, end, out);
}

template <class V, int kS = 7>
inline void window_rows(const Image<ElementOf<V>>& image, std::int64_t begin, std::int64_t end,
                        ElementOf<V>* out) {
  if (image.stride == kS) {
    return are_held(image.filter_size, kS) ? held_window_rows<V, kS>(image, begin, end, out)
                                           : laid_out_window_rows<V, kS>(image, begin, end, out);
  }
  if constexpr (kS > 2) window_rows<V, kS - 1>(image, begin, end, out);
}

}  // namespace
}  // namespace convscale
