// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace convscale {

/// Indices begin..end - 1: of images, workers, rows.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  constexpr std::int64_t size() const { return end - begin; }
  constexpr bool operator==(const Range&) const = default;
};

/// Block `part` of `parts` of the indices 0..count - 1: contiguous, in order, sizes that differ by
/// at most one.
constexpr Range block_of(std::int64_t count, std::int64_t parts, std::int64_t part) {
  const std::int64_t quotient = count / parts, rest = count % parts;
  const std::int64_t begin = part * quotient + (part < rest ? part : rest);
  return {begin, begin + quotient + (part < rest ? 1 : 0)};
}

}  // namespace convscale
