// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/filter_size.hpp"
#include "common/vocabulary.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace convscale {

/// One axis of a workload: `size` pixels, a filter of `filter` taps, and the kept outputs that the
/// `dense` ones of the mode leave, every `stride`-th of them from the first on. That one lies
/// `origin` behind the first output of the full convolution: its window ends in pixel `origin`.
struct Axis {
  std::int64_t size, filter, stride, origin, dense;

  constexpr std::int64_t outputs() const { return (dense + stride - 1) / stride; }  ///< kept

  /// How many (tap, pixel) pairs the kept outputs sum over.
  constexpr std::int64_t pairs() const {
    if (stride == 1 && dense == size + filter - 1) return size * filter;
    std::int64_t pairs = 0;
    for (std::int64_t y = origin; y < origin + dense; y += stride)
      pairs += std::min(y, size - 1) - std::max<std::int64_t>(0, y - filter + 1) + 1;
    return pairs;
  }

  /// True where a kept output's window covers pixel `i`: the next kept output at or behind it
  /// reaches back to it.
  constexpr bool needs(std::int64_t i) const {
    const std::int64_t behind = std::max<std::int64_t>(0, i - origin);
    const std::int64_t output = (behind + stride - 1) / stride * stride;
    return output < dense && origin + output - i < filter;
  }
};

/// Sizes of one workload: `images` images of `height` x `width` pixels, row-major and contiguous,
/// each with a filter of its own; of the outputs that `mode` names, every `stride`-th row and
/// column is kept, from the first on.
struct Shape {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  FilterSize filter_size = 4;
  std::int64_t stride = 5;
  Mode mode = Mode::kFull;

  constexpr std::int64_t pixels() const { return height * width; }  ///< of one image
  constexpr std::int64_t taps() const { return filter_size.height * filter_size.width; }
  constexpr Axis rows() const { return axis(height, filter_size.height); }
  constexpr Axis columns() const { return axis(width, filter_size.width); }
  constexpr std::int64_t dense_height() const { return rows().dense; }  ///< with a stride of 1
  constexpr std::int64_t dense_width() const { return columns().dense; }
  constexpr std::int64_t out_height() const { return rows().outputs(); }  ///< kept
  constexpr std::int64_t out_width() const { return columns().outputs(); }
  constexpr std::int64_t outputs() const {
    return out_height() * out_width();
  }  ///< kept, of one image

  constexpr bool operator==(const Shape&) const = default;

 private:
  /// As scipy.signal.convolve2d crops. With `valid`, an image smaller than the filter has none.
  constexpr Axis axis(std::int64_t size, std::int64_t filter) const {
    switch (mode) {
      case Mode::kSame:
        return {size, filter, stride, (filter - 1) / 2, size};
      case Mode::kValid:
        return {size, filter, stride, filter - 1, std::max<std::int64_t>(0, size - filter + 1)};
      case Mode::kFull:
        break;
    }
    return {size, filter, stride, 0, size + filter - 1};
  }
};

/// FLOPs of all images: 2 for each (tap, pixel) pair inside the image. Method `full` sums them for
/// each output of the mode (2 Kh Kw H W an image for all of the full convolution), `strided` for
/// the kept ones.
constexpr std::int64_t flops(Shape s, Method method) {
  if (method == Method::kFull) s.stride = 1;
  return 2 * s.images * s.rows().pairs() * s.columns().pairs();
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
  const Axis rows = s.rows(), columns = s.columns();
  const auto count_row = [&](std::int64_t phase) {
    RowLines row{.count = 0, .first = 0, .last = -1};
    for (std::int64_t x = 0; x < s.width; ++x) {
      if (!columns.needs(x)) continue;
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
      if (!rows.needs(y)) continue;
      const std::int64_t start = (image * s.pixels() + y * s.width) * element_bytes;
      RowLines& row = phases[start % line_bytes / element_bytes];
      if (row.count < 0) row = count_row(start % line_bytes);
      if (row.count == 0) continue;
      lines += row.count - (start / line_bytes + row.first == previous ? 1 : 0);
      previous = start / line_bytes + row.last;
    }
  }
  return lines;
}

/// Bytes of the images that the method must read from memory: the distinct lines of `line_bytes`
/// that hold a needed pixel, in a buffer that starts on a line. Method `full` needs every pixel; so
/// does `strided` of the full convolution where windows leave no gap.
constexpr std::int64_t image_bytes_touched(const Shape& s, Method method,
                                           std::int64_t element_bytes, std::int64_t line_bytes) {
  const std::int64_t image_bytes = s.pixels() * element_bytes;
  const bool needs_all =
      s.mode == Mode::kFull && std::min(s.filter_size.height, s.filter_size.width) >= s.stride;
  if (method == Method::kFull || needs_all) {
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
