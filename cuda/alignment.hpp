// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"

#include <algorithm>
#include <cstdint>

namespace convscale::cuda {

/// Bytes that device memory starts on, where the allocator puts it; what is a multiple of more
/// counts as one of that.
inline constexpr std::int64_t kBufferAlignment = 256;

/// The largest power of two that divides `bytes`, of at most kBufferAlignment.
constexpr std::int64_t alignment_of(std::int64_t bytes) {
  return bytes == 0 ? kBufferAlignment : std::min(kBufferAlignment, bytes & -bytes);
}

/// What the start of images, filters and results in device memory is a multiple of, in bytes.
struct Alignment {
  std::int64_t images = 1;
  std::int64_t filters = 1;
  std::int64_t results = 1;
  bool operator==(const Alignment&) const = default;

  bool is_at_least(const Alignment& other) const {
    return images >= other.images && filters >= other.filters && results >= other.results;
  }
};

inline Alignment least(const Alignment& a, const Alignment& b) {
  return {std::min(a.images, b.images), std::min(a.filters, b.filters),
          std::min(a.results, b.results)};
}

/// Where image `first` lies, and what belongs to it, behind the images before it.
inline Alignment alignment_at(const Shape& shape, Dtype dtype, std::int64_t first) {
  const std::int64_t elements = first * size_of(dtype);
  return {alignment_of(elements * shape.pixels()), alignment_of(elements * shape.taps()),
          alignment_of(elements * shape.outputs())};
}

}  // namespace convscale::cuda
