// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace convscale {

/// Rows and columns of a filter. One number makes a square one.
struct FilterSize {
  std::int64_t height;
  std::int64_t width;

  constexpr FilterSize(std::int64_t side) : height(side), width(side) {}  // implicit
  constexpr FilterSize(std::int64_t rows, std::int64_t columns) : height(rows), width(columns) {}
  constexpr bool operator==(const FilterSize&) const = default;
};

}  // namespace convscale
