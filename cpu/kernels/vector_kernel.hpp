// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/scalar.hpp"
#include "cpu/kernels/vector_full.hpp"
#include "cpu/kernels/vector_polyphase.hpp"
#include "cpu/kernels/vector_windows.hpp"

/// The vector kernel family, written once over a vector type V (vector_avx2.hpp, vector_avx512.hpp)
/// and compiled by one file for each instruction set. It takes one of five ways:
///
/// unrolled, blocks (vector_full.hpp): every output; K x K up to 5 x 5, and other filters.
/// windows (vector_windows.hpp): kept outputs whose windows overlap by little, S up to 7.
/// polyphase (vector_polyphase.hpp): kept outputs whose windows overlap by more.
/// gather: kept outputs whose windows do not overlap, S from 8 on.
namespace convscale {
namespace {

template <class V>
void full_rows(const Image<ElementOf<V>>& image, std::int64_t row_begin, std::int64_t row_end,
               ElementOf<V>* out, std::int64_t pitch) {
  with_full_rows<V>(image, [&](auto sums) { sums.rows(row_begin, row_end, out, pitch); });
}

/// Lanes are neighbouring kept outputs, their pixels are gathered.
template <class V>
void gathered_rows(const Image<ElementOf<V>>& image, std::int64_t row_begin, std::int64_t row_end,
                   ElementOf<V>* out) {
  using T = ElementOf<V>;
  const std::int64_t s = image.stride, out_width = image.out_width();
  const std::int64_t width = image.filter_size.width;
  for (std::int64_t i = row_begin; i < row_end; ++i, out += out_width) {
    const std::int64_t y = i * s;
    const Range rows = taps_inside(y, image.rows, image.filter_size.height);
    std::int64_t j = 0;
    for (; j < out_width && j * s - (width - 1) < image.columns.begin; ++j)
      out[j] = output_at(image, y, j * s);
    for (; j + V::kLanes <= out_width && (j + V::kLanes - 1) * s < image.columns.end;
         j += V::kLanes) {
      typename V::Register even = V::zero(),
                           odd = V::zero();  // two chains, to hide the latency of the sum
      for (std::int64_t a = rows.begin; a < rows.end; ++a) {
        const T* row = image.pixels + (y - a) * image.width + j * s;
        const T* taps = image.taps + a * width;
        std::int64_t b = 0;
        for (; b + 2 <= width; b += 2) {
          even = V::fma(V::gather(row - b, s), V::broadcast(taps[b]), even);
          odd = V::fma(V::gather(row - b - 1, s), V::broadcast(taps[b + 1]), odd);
        }
        if (b < width) even = V::fma(V::gather(row - b, s), V::broadcast(taps[b]), even);
      }
      V::store(out + j, V::add(even, odd));
    }
    for (; j < out_width; ++j) out[j] = output_at(image, y, j * s);
  }
}

/// Output rows that are summed together.
template <class Tuning>
constexpr std::int64_t row_group(FilterSize filter_size, std::int64_t stride) {
  return is_unrolled(filter_size) && stride == 1 ? Tuning::kRowsSmall : Tuning::kRows;
}

enum class StridedWay { kFull, kWindows, kPolyphase, kGather };

template <class Tuning>
constexpr StridedWay strided_way(FilterSize filter_size, std::int64_t stride) {
  if (stride == 1) return StridedWay::kFull;
  if (takes_windows<Tuning>(filter_size, stride)) return StridedWay::kWindows;
  return filter_size.height > stride || filter_size.width > stride ? StridedWay::kPolyphase
                                                                   : StridedWay::kGather;
}

inline const char* full_path(FilterSize filter_size) {
  return is_unrolled(filter_size) ? "unrolled" : "blocks";
}

template <class Tuning>
inline const char* strided_path(FilterSize filter_size, std::int64_t stride) {
  switch (strided_way<Tuning>(filter_size, stride)) {
    case StridedWay::kFull:
      return full_path(filter_size);
    case StridedWay::kWindows:
      return "windows";
    case StridedWay::kPolyphase:
      return "polyphase";
    case StridedWay::kGather:
      break;
  }
  return "gather";
}

template <class V>
void strided_rows(const Image<ElementOf<V>>& image, std::int64_t row_begin, std::int64_t row_end,
                  ElementOf<V>* out) {
  switch (strided_way<V>(image.filter_size, image.stride)) {
    case StridedWay::kFull:
      return full_rows<V>(image, row_begin, row_end, out, image.out_width());
    case StridedWay::kWindows:
      return window_rows<V>(image, row_begin, row_end, out);
    case StridedWay::kPolyphase:
      return polyphase_rows<V>(image, row_begin, row_end, out);
    case StridedWay::kGather:
      return gathered_rows<V>(image, row_begin, row_end, out);
  }
}

template <class V>
std::int64_t workspace_bytes(const Image<ElementOf<V>>& image, bool strided) {
  const StridedWay way =
      strided ? strided_way<V>(image.filter_size, image.stride) : StridedWay::kFull;
  if (way == StridedWay::kPolyphase) return polyphase_bytes<V>(image);
  if (way == StridedWay::kWindows) return window_bytes<V>(image.filter_size, image.stride);
  if (way == StridedWay::kGather) return 0;
  return with_full_rows<V>(image, [](const auto& sums) { return sums.bytes(); });
}

}  // namespace
}  // namespace convscale
