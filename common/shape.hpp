// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/vocabulary.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace convscale {

/// Sizes of one workload: `images` images of `height` x `width` pixels, row-major and contiguous,
/// each with a filter of `filter_size` x `filter_size` taps; every `stride`-th row and column of
/// the full convolution is kept, from 0 on.
struct Shape {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t filter_size = 4;
  std::int64_t stride = 5;

  constexpr std::int64_t pixels() const { return height * width; }  ///< of one image
  constexpr std::int64_t taps() const { return filter_size * filter_size; }
  constexpr std::int64_t full_height() const { return height + filter_size - 1; }
  constexpr std::int64_t full_width() const { return width + filter_size - 1; }
  constexpr std::int64_t out_height() const { return (full_height() + stride - 1) / stride; }
  constexpr std::int64_t out_width() const { return (full_width() + stride - 1) / stride; }
  constexpr std::int64_t outputs() const {
    return out_height() * out_width();
  }  ///< kept, of one image

  constexpr bool operator==(const Shape&) const = default;
};

/// Along one axis of `size` pixels: how many (tap, pixel) pairs the kept outputs sum over.
constexpr std::int64_t kept_pairs_1d(std::int64_t size, std::int64_t filter_size,
                                     std::int64_t stride) {
  std::int64_t pairs = 0;
  for (std::int64_t y = 0; y < size + filter_size - 1; y += stride) {
    pairs += std::min(y, size - 1) - std::max<std::int64_t>(0, y - filter_size + 1) + 1;
  }
  return pairs;
}

/// FLOPs of all images: 2 for each (tap, pixel) pair inside the image. `full`: 2 K^2 H W an image;
/// `strided`: the exact sum over the kept outputs.
constexpr std::int64_t flops(const Shape& s, Method method) {
  if (method == Method::kFull) return 2 * s.images * s.taps() * s.pixels();
  return 2 * s.images * kept_pairs_1d(s.height, s.filter_size, s.stride) *
         kept_pairs_1d(s.width, s.filter_size, s.stride);
}

/// True where a kept output's window covers index `i` of an axis (the next kept output at or behind
/// i reaches back to it).
constexpr bool is_needed(std::int64_t i, std::int64_t filter_size, std::int64_t stride) {
  return (i + stride - 1) / stride * stride - i < filter_size;
}

/// Lines of `line_bytes` that hold a needed pixel of the images, in a buffer that starts on a line.
constexpr std::int64_t lines_touched(const Shape& s, std::int64_t element_bytes,
                                     std::int64_t line_bytes) {
  // A row's lines depend on where in a line it starts, so each of the few phases is counted once.
  struct RowLines {
    std::int64_t count = -1, first = 0,
                 last = 0;  // lines relative to the one in which the row starts
  };
  RowLines phases[64] = {};
  const auto count_row = [&](std::int64_t phase) {
    RowLines row{.count = 0, .first = 0, .last = -1};
    for (std::int64_t x = 0; x < s.width; ++x) {
      if (!is_needed(x, s.filter_size, s.stride)) continue;
      const std::int64_t line = (phase + x * element_bytes) / line_bytes;
      if (row.count == 0) row.first = line;
      if (row.count == 0 || line != row.last) ++row.count;
      row.last = line;
    }
    return row;
  };
  std::int64_t lines = 0;
  std::int64_t previous = -1;  // two rows may share a line
  for (std::int64_t image = 0; image < s.images; ++image) {
    for (std::int64_t y = 0; y < s.height; ++y) {
      if (!is_needed(y, s.filter_size, s.stride)) continue;
      const std::int64_t start = (image * s.pixels() + y * s.width) * element_bytes;
      RowLines& row = phases[start % line_bytes / element_bytes];
      if (row.count < 0) row = count_row(start % line_bytes);
      lines += row.count - (start / line_bytes + row.first == previous ? 1 : 0);
      previous = start / line_bytes + row.last;
    }
  }
  return lines;
}

/// Bytes of the images that the method must read from memory: the distinct lines of `line_bytes`
/// that hold a needed pixel, in a buffer that starts on a line. `full` needs every pixel; so does
/// `strided` with K >= S.
constexpr std::int64_t image_bytes_touched(const Shape& s, Method method,
                                           std::int64_t element_bytes, std::int64_t line_bytes) {
  const std::int64_t image_bytes = s.pixels() * element_bytes;
  if (method == Method::kFull || s.filter_size >= s.stride) {
    return (s.images * image_bytes + line_bytes - 1) / line_bytes * line_bytes;
  }
  // After a few images one starts on a line again, and the pattern repeats.
  const std::int64_t period = line_bytes / std::gcd(line_bytes, image_bytes);
  Shape part = s;
  part.images = std::min(period, s.images);
  const std::int64_t of_period = lines_touched(part, element_bytes, line_bytes);
  part.images = s.images % period;
  const std::int64_t of_rest = lines_touched(part, element_bytes, line_bytes);
  return (s.images / period * of_period + of_rest) * line_bytes;
}

/// The bytes that any implementation must move: the image lines it must touch, and the results.
constexpr std::int64_t least_bytes(const Shape& s, Method method, Dtype dtype,
                                   std::int64_t line_bytes) {
  return image_bytes_touched(s, method, size_of(dtype), line_bytes) +
         s.images * s.outputs() * size_of(dtype);
}

}  // namespace convscale
