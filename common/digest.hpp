// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/host_device.hpp"

#include <bit>
#include <cstdint>
#include <span>

namespace convscale {

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA'14; Stafford's variant 13): a bijection
/// of 64 bits.
CONVSCALE_HOST_DEVICE constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/// The results' reserved NaN patterns: what every output holds before an iteration. An output that
/// still holds it was not written. No arithmetic makes this payload, and NaNs of input files are
/// made canonical when they are loaded.
template <class T>
inline constexpr std::uint64_t kPoisonBits = 0;
template <>
inline constexpr std::uint64_t kPoisonBits<double> = 0x7FF8'5C0D'EAD0'5C0D;
template <>
inline constexpr std::uint64_t kPoisonBits<float> = 0x7FC5'C0DE;

template <class T>
CONVSCALE_HOST_DEVICE constexpr auto bits_of(T value) {
  if constexpr (sizeof(T) == 8) {
    return std::bit_cast<std::uint64_t>(value);
  } else {
    return std::bit_cast<std::uint32_t>(value);
  }
}

template <class T>
CONVSCALE_HOST_DEVICE constexpr T poison_value() {
  using Bits = decltype(bits_of(T{}));
  return std::bit_cast<T>(static_cast<Bits>(kPoisonBits<T>));
}

/// One output's term of the digest: mix64(bits ^ mix64(index + 0x9E3779B97F4A7C15)), where `bits`
/// are those of the value widened to float64, with -0 read as +0 and every NaN as
/// 0x7FF8000000000000. `index` counts outputs over all images of all ranks. Widening makes the
/// digest of exact data (`--fill integers`) the same for both dtypes.
template <class T>
CONVSCALE_HOST_DEVICE constexpr std::uint64_t digest_term(std::uint64_t index, T value) {
  const auto wide = static_cast<double>(value);
  auto bits = std::bit_cast<std::uint64_t>(wide);
  if (wide == 0.0) bits = 0;
  if (wide != wide) bits = 0x7FF8'0000'0000'0000;
  return mix64(bits ^ mix64(index + 0x9E37'79B9'7F4A'7C15));
}

/// A digest of results and how many of them still hold the poison. Parts add up in any order.
struct Digest {
  std::uint64_t value = 0;
  std::int64_t unwritten = 0;

  constexpr bool operator==(const Digest&) const = default;
  constexpr Digest& operator+=(const Digest& other) {
    value += other.value;
    unwritten += other.unwritten;
    return *this;
  }
};

/// The sum modulo 2^64 of the terms of `results`, the first of which has the global index
/// `first_index`.
template <class T>
constexpr Digest digest_of(std::span<const T> results, std::uint64_t first_index) {
  Digest sum;
  for (const T value : results) {
    sum.value += digest_term(first_index++, value);
    sum.unwritten += bits_of(value) == kPoisonBits<T> ? 1 : 0;
  }
  return sum;
}

}  // namespace convscale
