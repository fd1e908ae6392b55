// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/vector_sums.hpp"

namespace convscale {
namespace {

/// The largest square filter whose loops are unrolled.
inline constexpr std::int64_t kUnrolled = 5;

/// The taps of a kK x kK filter as vectors, in registers as far as they fit, and a block's loop
/// over its pixel rows unrolled: each vector of pixels is loaded once, and shifted in registers
/// where V can.
template <class V, int kK>
struct SmallFilter {
  using T = ElementOf<V>;
  using Register = typename V::Register;
  Register taps[kK * kK];

  explicit SmallFilter(const T* filter) {
#pragma GCC unroll 32
    for (int i = 0; i < kK * kK; ++i) taps[i] = V::broadcast(filter[i]);
  }

  /// kInside: all rows of pixels exist, `pitch` apart, and what lies `ahead` is asked for.
  template <int kR, int kC, bool kInside>
  __attribute__((always_inline)) void add_to(Sums<V, kR, kC>& sums, const T* const* rows,
                                             std::int64_t x, std::int64_t pitch,
                                             const T* ahead) const {
#pragma GCC unroll 16
    for (int d = 0; d < kR + kK - 1; ++d) {
      if (kInside && d >= kK - 1) prefetch<V, kC>(ahead + (d - (kK - 1)) * kC * V::kLanes);
      if (!kInside && rows[d] == nullptr) continue;
      const T* const row = (kInside ? rows[0] + d * pitch : rows[d]) + x;
      Register raw[kC + 1];
#pragma GCC unroll 8
      for (int c = V::kShifts && kK > 1 ? 0 : 1; c <= kC; ++c) {
        raw[c] = V::load(row + (c - 1) * V::kLanes);
        keep_in_register(raw[c]);
      }
      add_shifted<0>(sums, row, raw, d);
    }
  }

 private:
  template <int kB, int kR, int kC>
  __attribute__((always_inline)) void add_shifted(Sums<V, kR, kC>& sums, const T* row,
                                                  const Register (&raw)[kC + 1], int d) const {
    Register in[kC];
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      if constexpr (kB == 0) {
        in[c] = raw[c + 1];
      } else if constexpr (V::kShifts) {
        in[c] = V::template shift_in<kB>(raw[c], raw[c + 1]);
      } else {
        in[c] = V::load(row + c * V::kLanes - kB);
      }
      keep_in_register(in[c]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kR; ++i) {
      const int a = i + kK - 1 - d;
      if (a < 0 || a >= kK) continue;
#pragma GCC unroll 8
      for (int c = 0; c < kC; ++c) sums.of[i][c] = V::fma(in[c], taps[a * kK + kB], sums.of[i][c]);
    }
    if constexpr (kB + 1 < kK) add_shifted<kB + 1>(sums, row, raw, d);
  }
};

/// Nothing: FullRows cuts larger filters into slices.
template <class V>
struct SmallFilter<V, 0> {
  explicit SmallFilter(const ElementOf<V>*) {}
};

/// Rows of outputs with a stride of 1. kK: the size of a square filter, or 0 for any.
///
/// Blocks whose pixels all lie inside the image's columns read them there. The columns left and
/// right of those, or all of a narrow image, are copied with zeros beside them, so that the same
/// loops sum them: as many rows at a time as kCopyBytes holds. Rows outside of the image are left
/// out.
template <class V, int kK>
class FullRows {
 public:
  using T = ElementOf<V>;
  static constexpr int kR = kK > 0 ? V::kRowsSmall : V::kRows;
  static constexpr int kC = kK > 0 ? V::kColumnsSmall : V::kColumns;
  static constexpr std::int64_t kBlock = kC * V::kLanes;

  explicit FullRows(const Image<T>& image) : image_(image), width_(image.dense_width) {
    const Range columns = image_.columns;
    vectors_ = round_up<V>(width_) / V::kLanes;
    pad_ = round_up<V>(image_.filter_size.width - 1);
    v_left_ = columns.begin + pad_ > 0 ? (columns.begin + pad_ + kBlock - 1) / kBlock * kC : 0;
    const std::int64_t inner = (columns.end / V::kLanes - v_left_) / kC * kC;
    v_right_ = v_left_ + inner;
    // Copies of all of 64 x 64 took 0.95 of the time of copies of its edges.
    if (inner < 4 * kC) v_left_ = v_right_ = 0;
    left_pitch_ = v_left_ > 0 ? pad_ + v_left_ * V::kLanes : 0;
    right_pitch_ = pad_ + (vectors_ - v_right_) * V::kLanes;
  }

  /// Groups of kR rows. 2 took 0.67 to 0.98 of the time of 1 (K 4 to 7; K 3 0.87 to 1.07; 3 and 4
  /// groups like 2), one core of an EPYC of Zen 5, 1000 x 1000, 2026-11-29.
  static constexpr std::int64_t kGroupsAhead = 2;
  /// Of copies of a chunk of rows; more would leave the first-level cache.
  static constexpr std::int64_t kCopyBytes = 40 << 10;
  /// Of pixels of as many rows as a chunk can have. Where they are no more, each group prefetches
  /// the rows a chunk later: a chunk's edges are copied before anything else, and then come from
  /// near; so does the next image. 64 x 64 took 0.43 (float64) and 0.61 (float32) of the time, one
  /// core of an EPYC of Zen 5, 2026-11-29.
  static constexpr std::int64_t kChunkAheadBytes = 160 << 10;

  /// Of copies of both edges, or of the whole width.
  std::int64_t chunk_rows() const {
    const std::int64_t groups =
        (kCopyBytes / ((left_pitch_ + right_pitch_ + V::kLanes) * std::int64_t{sizeof(T)}) -
         above()) /
        kR;
    return (groups < 1 ? 1 : groups) * kR;
  }
  /// Of the workspace.
  std::int64_t bytes() const {
    return kTapBytes +
           (chunk_rows() + above()) * (left_pitch_ + right_pitch_) * std::int64_t{sizeof(T)};
  }

  /// Stores rows begin..end, `pitch` elements apart.
  void rows(std::int64_t begin, std::int64_t end, T* out, std::int64_t pitch) {
    const SmallFilter<V, kK> filter(image_.taps);
    if constexpr (kK == 0) {
      T* const taps = reinterpret_cast<T*>(image_.workspace);
      const std::int64_t height = image_.filter_size.height, width = image_.filter_size.width;
      for (std::int64_t a = 0; a < height; ++a) {
        for (std::int64_t b = 0; b < width; ++b) taps[b * height + a] = image_.taps[a * width + b];
      }
      n_slices_ = cut<V>(rows_, taps, height, slices_);
      rate_ = Prefetches<V>::rate_of(kR * kBlock, n_slices_ * width);
    }

    const std::int64_t most = chunk_rows(), chunk = most < end - begin ? most : end - begin;
    const bool chunk_ahead = most * image_.width * std::int64_t{sizeof(T)} <= kChunkAheadBytes;
    T* const left = reinterpret_cast<T*>(image_.workspace + kTapBytes);
    T* const right = left + (chunk + above()) * left_pitch_;
    for (std::int64_t at = begin; at < end; at += chunk) {
      const std::int64_t chunk_end = at + chunk < end ? at + chunk : end;
      const std::int64_t top = at - above();
      const std::int64_t first = top > image_.rows.begin ? top : image_.rows.begin;
      const std::int64_t last = chunk_end < image_.rows.end ? chunk_end : image_.rows.end;
      copy(first, last, 0, v_left_, left + (first - top) * left_pitch_, left_pitch_);
      copy(first, last, v_right_, vectors_, right + (first - top) * right_pitch_, right_pitch_);
      for (std::int64_t i = at; i < chunk_end; i += kR, out += kR * pitch) {
        const T* const of_chunk = image_.pixels + (i + chunk) * image_.width;
        for (std::int64_t x = 0; chunk_ahead && x < kR * image_.width; x += kBlock)
          prefetch<V, kC>(of_chunk + x);
        const std::int64_t count = chunk_end - i < kR ? chunk_end - i : kR;
        const std::int64_t y = i - above();
        if (v_right_ > 0) {
          point(y, i + count, left + (y - top) * left_pitch_ + pad_, left_pitch_);
          blocks<kC, false>(filter, 0, v_left_, 0, count, out, pitch);
          point(y, i + count, image_.pixels + y * image_.width, image_.width);
          ahead_ = image_.pixels + (i + kGroupsAhead * kR) * image_.width;
          if (y >= image_.rows.begin && i + kR <= image_.rows.end) {
            blocks<kC, true>(filter, v_left_, v_right_, 0, count, out, pitch);
          } else {
            blocks<kC, false>(filter, v_left_, v_right_, 0, count, out, pitch);
          }
        }
        point(y, i + count, right + (y - top) * right_pitch_ + pad_, right_pitch_);
        std::int64_t v = v_right_ + (vectors_ - v_right_) / kC * kC;
        blocks<kC, false>(filter, v_right_, v, v_right_, count, out, pitch);
        if constexpr (kC > 2) {
          if (v + 2 <= vectors_) {
            blocks<2, false>(filter, v, v + 2, v_right_, count, out, pitch);
            v += 2;
          }
        }
        blocks<1, false>(filter, v, vectors_, v_right_, count, out, pitch);
      }
    }
  }

 private:
  /// Rows that a window reaches up.
  std::int64_t above() const { return (kK > 0 ? kK : image_.filter_size.height) - 1; }

  void point(std::int64_t y, std::int64_t end, const T* row, std::int64_t pitch) {
    pitch_ = pitch;
    if (end > image_.rows.end) end = image_.rows.end;
    for (std::int64_t d = 0; d < kR + above(); ++d, row += pitch)
      rows_[d] = y + d >= image_.rows.begin && y + d < end ? row : nullptr;
  }

  template <int kN, bool kPrefetch>
  __attribute__((noinline)) void blocks(const SmallFilter<V, kK>& taps, std::int64_t v,
                                        std::int64_t v_end, std::int64_t v_zero, std::int64_t count,
                                        T* out, std::int64_t pitch) const {
    static_assert(kMaxFilter == 31);
    static constexpr std::int64_t kOffsets[kMaxFilter] = {
        0,   -1,  -2,  -3,  -4,  -5,  -6,  -7,  -8,  -9,  -10, -11, -12, -13, -14, -15,
        -16, -17, -18, -19, -20, -21, -22, -23, -24, -25, -26, -27, -28, -29, -30};
    const SmallFilter<V, kK> filter = taps;  // a store could alias what is not local
    for (; v < v_end; v += kN) {
      Sums<V, kR, kN> sums;
      sums.clear();
      const std::int64_t x = (v - v_zero) * V::kLanes;
      const T* const ahead = ahead_ + kR * x;
      if constexpr (kK > 0) {
        filter.template add_to<kR, kN, kPrefetch>(sums, rows_, x, pitch_, ahead);
      } else {
        const std::int64_t columns = image_.filter_size.width;
        Prefetches<V> prefetches{ahead, rate_};
        if (V::kShifts && image_.filter_size.height == 1) {
          if constexpr (V::kShifts)
            sums.template add_row<kPrefetch>(slices_[0], x, columns, prefetches);
        } else {
          for (int n = 0; n < n_slices_; ++n, prefetches.begin += columns)
            sums.template add<kPrefetch>(slices_[n], x, kOffsets, columns, prefetches);
        }
      }
      sums.store(out + v * V::kLanes, pitch, count, width_ - v * V::kLanes);
    }
  }

  /// Columns of the vectors v_begin..v_end and of what lies to their left as far as the filter
  /// reaches, zeros outside of the image.
  void copy(std::int64_t y_begin, std::int64_t y_end, std::int64_t v_begin, std::int64_t v_end,
            T* to, std::int64_t pitch) const {
    if (v_begin == v_end) return;
    const Range columns = image_.columns;
    const std::int64_t begin = v_begin * V::kLanes - pad_, end = v_end * V::kLanes;
    for (std::int64_t y = y_begin; y < y_end; ++y, to += pitch) {
      const T* const row = image_.pixels + y * image_.width;
      T* const target = to - begin;
      std::int64_t x = begin;
      const auto copy_part = [&]() __attribute__((always_inline)) {
        const auto lanes = V::lanes(columns.begin - x, columns.end - x);
        V::store(target + x, V::load(row + x, lanes));
        x += V::kLanes;
      };
      for (; x + V::kLanes <= columns.begin && x < end; x += V::kLanes)
        V::store(target + x, V::zero());
      if (x < columns.begin && x < end) copy_part();
      for (; x + V::kLanes <= columns.end && x < end; x += V::kLanes)
        V::store(target + x, V::load(row + x));
      if (x < columns.end && x < end) copy_part();
      for (; x < end; x += V::kLanes) V::store(target + x, V::zero());
    }
  }

  const Image<T>& image_;
  std::int64_t width_, vectors_, pad_, v_left_, v_right_, left_pitch_, right_pitch_;
  const T* rows_[kR + kMaxFilter];
  Slice<T> slices_[kMaxFilter];
  int n_slices_ = 0;
  std::int64_t pitch_ = 0, rate_ = 0;
  const T* ahead_ = image_.pixels;
};

/// The loops are unrolled.
constexpr bool is_unrolled(FilterSize filter_size) {
  return filter_size.height == filter_size.width && filter_size.height <= kUnrolled;
}

/// Calls `body` with the FullRows for the image's filter.
template <class V, class Body>
inline auto with_full_rows(const Image<ElementOf<V>>& image, const Body& body) {
  switch (is_unrolled(image.filter_size) ? image.filter_size.height : 0) {
    case 1:
      return body(FullRows<V, 1>(image));
    case 2:
      return body(FullRows<V, 2>(image));
    case 3:
      return body(FullRows<V, 3>(image));
    case 4:
      return body(FullRows<V, 4>(image));
    case 5:
      return body(FullRows<V, 5>(image));
    default:
      return body(FullRows<V, 0>(image));
  }
}

}  // namespace
}  // namespace convscale
