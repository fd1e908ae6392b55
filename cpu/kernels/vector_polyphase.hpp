// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/vector_full.hpp"
#include "cpu/kernels/vector_phases.hpp"

namespace convscale {
namespace {

/// Kept outputs whose windows overlap, K > S in a direction:
///     out[i][j] = sum over a, b of taps[a][b] * pixels[S i - a][S j - b]
/// With b = S q + r, column S j - b is element j - q of phase r, which holds columns S m - r:
/// sorted into phases, a row of pixels is S rows, and the sums over them are dense
/// (vector_sums.hpp). The filter's rows split likewise, a = S u + v, into S sets of pixel rows that
/// never share one.
///
/// Groups of kR rows of outputs are summed from left to right, run of columns by run: the pixels of
/// a run (or, V::kSortsRuns false, of each of its blocks in turn) are sorted into a buffer that
/// stays in the first-level cache, and summed at once. Rows that two groups share are sorted for
/// each: a ring of sorted rows, which lies in the second-level cache, took from 0.75 (K 15, S 5)
/// to 1.27 (K 5, S 3, both of them windows now) of the time (33 x 1000^2 float32, two cores of an
/// EPYC of Zen 5 at 46 GB/s, 2026-11-28).
template <class V, int kR>
class Polyphase {
 public:
  using T = ElementOf<V>;
  using Register = typename V::Register;
  static constexpr int kC = V::kColumns;
  static constexpr std::int64_t kLanes = V::kLanes;

  explicit Polyphase(const Image<T>& image)
      : image_(image),
        filter_height_(image.filter_size.height),
        filter_width_(image.filter_size.width),
        s_(image.stride) {
    width_ = image.out_width();
    vectors_ = round_up<V>(width_) / kLanes;
    pad_ = round_up<V>((filter_width_ - 1) / s_);
    phases_ = filter_width_ < s_ ? filter_width_ : s_;
    buffer_rows_ = (kR - 1) * s_ + filter_height_;
    const std::int64_t fits =
        V::kNearBytes / (buffer_rows_ * phases_ * kLanes * std::int64_t{sizeof(T)});
    run_ = (fits - pad_ / kLanes) / kC * kC;
    if (run_ < kC) run_ = kC;
    phase_pitch_ = pad_ + run_ * kLanes;
    row_pitch_ = phases_ * phase_pitch_;
  }
  /// Of the workspace.
  std::int64_t bytes() const {
    return kTapBytes + buffer_rows_ * row_pitch_ * std::int64_t{sizeof(T)};
  }
  /// True where the buffer, or all but its last fifth, is near.
  bool is_near() const { return bytes() - kTapBytes <= V::kNearBytes * 5 / 4; }

  /// Stores kept rows begin..end, contiguous.
  void rows(std::int64_t begin, std::int64_t end, T* out) {
    T* const taps = reinterpret_cast<T*>(image_.workspace);
    buffer_ = reinterpret_cast<T*>(image_.workspace + kTapBytes) + pad_;
    for (std::int64_t b = 0; b < filter_width_; ++b) offsets_[b] = b % s_ * phase_pitch_ - b / s_;
    // Rows of pixels modulo the stride: each residue has taps v, v + S, .. and rows of its own.
    n_slices_ = 0;
    std::int64_t at = 0;
    T* of_residue = taps;
    for (std::int64_t v = 0; v < residues(); ++v) {
      const std::int64_t count = taps_of(v);
      for (std::int64_t b = 0; b < filter_width_; ++b) {
        for (std::int64_t u = 0; u < count; ++u)
          of_residue[b * count + u] = image_.taps[(v + u * s_) * filter_width_ + b];
      }
      n_slices_ += cut<V>(rows_ + at, of_residue, count, slices_ + n_slices_);
      at += kR + count - 1;
      of_residue += filter_width_ * count;
    }
    rate_ = Prefetches<V>::rate_of(kR * s_ * s_ * kC * kLanes, n_slices_ * filter_width_);
    for (std::int64_t i = begin; i < end; i += kR, out += kR * width_)
      group(i, end - i < kR ? end - i : kR, out);
  }

 private:
  /// Modulo the stride, of rows of the filter.
  std::int64_t residues() const { return filter_height_ < s_ ? filter_height_ : s_; }
  /// Rows of the filter whose number is v modulo the stride.
  std::int64_t taps_of(std::int64_t v) const { return (filter_height_ - v + s_ - 1) / s_; }
  /// True for a row of pixels in a window of kept outputs.
  bool meets_taps(std::int64_t y) const {
    if (filter_height_ >= s_) return true;
    const std::int64_t rest = y % s_, tap = rest > 0 ? s_ - rest : -rest;
    return tap < filter_height_;
  }

  void group(std::int64_t i, std::int64_t count, T* out) {
    top_ = i * s_ - (filter_height_ - 1);
    ahead_ = image_.pixels + ((i + kR - 1) * s_ + 1) * image_.width;
    first_ = top_ > image_.rows.begin ? top_ : image_.rows.begin;
    const std::int64_t bottom = (i + count - 1) * s_ + 1;
    last_ = bottom < image_.rows.end ? bottom : image_.rows.end;
    int at = 0;
    for (std::int64_t v = 0; v < residues(); ++v) {
      const std::int64_t count_v = taps_of(v);
      for (std::int64_t d = 0; d < kR + count_v - 1; ++d, ++at) {
        const std::int64_t n = filter_height_ - 1 + (d - (count_v - 1)) * s_ - v;
        rows_[at] = top_ + n >= first_ && top_ + n < last_ ? buffer_ + n * row_pitch_ : nullptr;
      }
    }
    // A run of vectors passes through the buffer, block by block.
    for (v_run_ = 0; v_run_ < vectors_; v_run_ += run_) {
      const std::int64_t end = v_run_ + run_ < vectors_ ? v_run_ + run_ : vectors_;
      if (v_run_ == 0) {
        sort(-pad_ / kLanes, 0);
      } else {
        carry();
      }
      if constexpr (V::kSortsRuns) sort(v_run_, end);
      std::int64_t v = v_run_;
      for (; v + kC <= end; v += kC) block<kC>(v, count, out);
      if constexpr (kC > 2) {
        for (; v + 2 <= end; v += 2) block<2>(v, count, out);
      }
      for (; v < end; ++v) block<1>(v, count, out);
    }
  }

  /// What lies left of the run is the end of the run before.
  void carry() const {
    for (std::int64_t y = first_; y < last_; ++y) {
      if (!meets_taps(y)) continue;
      T* row = buffer_ + (y - top_) * row_pitch_;
      for (std::int64_t r = 0; r < phases_; ++r, row += phase_pitch_) {
        for (std::int64_t x = -pad_; x < 0; x += kLanes)
          V::store(row + x, V::load(row + run_ * kLanes + x));
      }
    }
  }

  template <int kN>
  __attribute__((noinline)) void block(std::int64_t v, std::int64_t count, T* out) const {
    if constexpr (!V::kSortsRuns) sort(v, v + kN);
    Sums<V, kR, kN> sums;
    sums.clear();
    const std::int64_t x = (v - v_run_) * kLanes;
    Prefetches<V> prefetches{ahead_ + kR * s_ * s_ * v * kLanes, rate_ * kN / kC};
    for (int n = 0; n < n_slices_; ++n, prefetches.begin += filter_width_)
      sums.template add<true>(slices_[n], x, offsets_, filter_width_, prefetches);
    sums.store(out + v * kLanes, width_, count, width_ - v * kLanes);
  }

  void sort(std::int64_t v, std::int64_t v_end) const {
    switch (s_) {
      case 2:
        return sort_by<2>(v, v_end);
      case 3:
        return sort_by<3>(v, v_end);
      case 4:
        return sort_by<4>(v, v_end);
      case 5:
        return sort_by<5>(v, v_end);
      case 6:
        return sort_by<6>(v, v_end);
      case 7:
        return sort_by<7>(v, v_end);
      default:
        return sort_any(v, v_end);
    }
  }

  /// Phase r of a row holds columns S m - r.
  template <int kS>
  void sort_by(std::int64_t v, std::int64_t v_end) const {
    constexpr std::int64_t kGroup = kS * kLanes;
    const std::int64_t width = image_.width, pitch = phase_pitch_, phases = phases_;
    const Range columns = image_.columns;
    const auto rows = [&](std::int64_t v_begin, std::int64_t v_last, auto load)
        __attribute__((always_inline)) {
      const std::int64_t begin = v_begin * kGroup - (kS - 1), end = v_last * kGroup - (kS - 1);
      if (begin == end) return;
      const T* pixels = image_.pixels + first_ * width;
      T* row = buffer_ + (first_ - top_) * row_pitch_ + (v_begin - v_run_) * kLanes;
      for (std::int64_t y = first_; y < last_; ++y, pixels += width, row += row_pitch_) {
        if (!meets_taps(y)) continue;
        T* target = row;
        for (std::int64_t x = begin; x < end; x += kGroup, target += kLanes) {
          Register in[kS];
#pragma GCC unroll 8
          for (int n = 0; n < kS; ++n) in[n] = load(pixels, x + n * kLanes);
          for_each_phase<V, kS>(
              in, phases, [&](int r, Register phase) __attribute__((always_inline)) {
                V::store(target + r * pitch, phase);
              });
        }
      }
    };
    const auto whole = [](const T* pixels, std::int64_t x) __attribute__((always_inline)) {
      return V::load(pixels + x);
    };
    const auto part = [&](const T* pixels, std::int64_t x) __attribute__((always_inline)) {
      return V::load(pixels + x, V::lanes(columns.begin - x, columns.end - x));
    };
    std::int64_t left = v, right = v_end;  // of what lies inside the image
    while (left < v_end && left * kGroup - (kS - 1) < columns.begin) ++left;
    while (right > left && right * kGroup - (kS - 1) > columns.end) --right;
    rows(v, left, part);
    rows(left, right, whole);
    rows(right, v_end, part);
  }

  void sort_any(std::int64_t v, std::int64_t v_end) const {
    for (std::int64_t y = first_; y < last_; ++y) {
      if (!meets_taps(y)) continue;
      const T* pixels = image_.pixels + y * image_.width;
      T* row = buffer_ + (y - top_) * row_pitch_ - v_run_ * kLanes;
      for (std::int64_t r = 0; r < phases_; ++r) {
        for (std::int64_t m = v * kLanes; m < v_end * kLanes; ++m) {
          const std::int64_t x = m * s_ - r;
          row[r * phase_pitch_ + m] =
              x >= image_.columns.begin && x < image_.columns.end ? pixels[x] : T(0);
        }
      }
    }
  }

  const Image<T>& image_;
  const std::int64_t filter_height_, filter_width_, s_;
  std::int64_t width_, vectors_, pad_, phases_, run_, phase_pitch_, row_pitch_, buffer_rows_;
  std::int64_t top_ = 0, first_ = 0, last_ = 0, v_run_ = 0;
  T* buffer_ = nullptr;
  const T* ahead_ = nullptr;
  std::int64_t rate_ = 0;
  std::int64_t offsets_[kMaxFilter];
  const T* rows_[kR * kMaxFilter];
  Slice<T> slices_[kMaxFilter];
  int n_slices_ = 0;
};

template <class V>
std::int64_t polyphase_bytes(const Image<ElementOf<V>>& image) {
  const Polyphase<V, V::kRows> sums(image);
  return sums.is_near() ? sums.bytes() : Polyphase<V, V::kRows / 2>(image).bytes();
}

template <class V>
void polyphase_rows(const Image<ElementOf<V>>& image, std::int64_t begin, std::int64_t end,
                    ElementOf<V>* out) {
  Polyphase<V, V::kRows> sums(image);
  if (sums.is_near()) return sums.rows(begin, end, out);
  Polyphase<V, V::kRows / 2>(image).rows(begin, end, out);
}

}  // namespace
}  // namespace convscale
