// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/digest.hpp"

#include <cstdint>

namespace convscale::standin {

/// SplitMix64: the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix64(state_ += 0x9E37'79B9'7F4A'7C15); }
  /// One of 0..count-1.
  std::uint64_t below(std::uint64_t count) { return next() % count; }

 private:
  std::uint64_t state_;
};

}  // namespace convscale::standin
