// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/host_device.hpp"
#include "common/vocabulary.hpp"

#include <cstdint>

/// The workload's data as a pure function of (seed, global image index, element), so that any
/// number of workers, ranks or devices makes the same bits. Words come from Philox4x32-10 (Salmon
/// et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11); docs/workload.md publishes test
/// vectors. Integer arithmetic and exact scaling only: no libm, nothing to contract.
namespace convscale::generator {

/// What a word is for; a part of the counter, so that pixels and taps never share one.
enum class Stream : std::uint32_t { kPixels = 0, kTaps = 1 };

struct Words {
  std::uint32_t word[4];
};

/// One Philox4x32-10 block: ten rounds of `counter` under `key`.
CONVSCALE_HOST_DEVICE constexpr Words philox4x32(Words counter, std::uint32_t key0,
                                                 std::uint32_t key1) {
  Words c = counter;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c.word[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c.word[2];
    c = {{static_cast<std::uint32_t>(p1 >> 32) ^ c.word[1] ^ key0, static_cast<std::uint32_t>(p1),
          static_cast<std::uint32_t>(p0 >> 32) ^ c.word[3] ^ key1, static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

/// Block `block` of an image's stream. Counter words: block low, block high, image low, image high
/// (31 bits) with the stream in the top bit. Key: the seed, low word first. `image` and `block` are
/// >= 0.
CONVSCALE_HOST_DEVICE constexpr Words words_of(std::uint64_t seed, Stream stream,
                                               std::int64_t image, std::int64_t block) {
  const auto b = static_cast<std::uint64_t>(block);
  const auto i = static_cast<std::uint64_t>(image);
  return philox4x32(
      {{static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(b >> 32),
        static_cast<std::uint32_t>(i),
        static_cast<std::uint32_t>(i >> 32) | (static_cast<std::uint32_t>(stream) << 31)}},
      static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

/// The pixel that the 64-bit word (low, high) stands for. `random`: its top 53 bits (float32: its
/// top 24) as a fraction in [0, 1). `integers`: its top 8 bits, 0..255. `zeros`: 0.
template <class T>
CONVSCALE_HOST_DEVICE constexpr T pixel_of(Fill fill, std::uint32_t low, std::uint32_t high) {
  if (fill == Fill::kZeros) return T(0);
  if (fill == Fill::kIntegers) return static_cast<T>(high >> 24);
  if constexpr (sizeof(T) == 8) {
    const std::uint64_t word = std::uint64_t{high} << 32 | low;
    return static_cast<T>(word >> 11) * T(0x1p-53);
  } else {
    return static_cast<T>(high >> 8) * T(0x1p-24);
  }
}

/// Pixel `element` (= y * width + x) of image `image`: 64-bit word number `element` of the image's
/// pixel stream.
template <class T>
CONVSCALE_HOST_DEVICE constexpr T pixel(Fill fill, std::uint64_t seed, std::int64_t image,
                                        std::int64_t element) {
  const Words w = words_of(seed, Stream::kPixels, image, element / 2);
  return element % 2 == 0 ? pixel_of<T>(fill, w.word[0], w.word[1])
                          : pixel_of<T>(fill, w.word[2], w.word[3]);
}

/// Tap `element` (= row * K + column) of filter `image`: from the twelve 32-bit words of blocks 3 *
/// element .. + 2. `random`: the sum of twelve 24-bit uniforms minus 6 (mean 0, variance 1),
/// rounded once to T. `integers`: -8..8 from the first word. `zeros`: 0.
template <class T>
CONVSCALE_HOST_DEVICE constexpr T tap(Fill fill, std::uint64_t seed, std::int64_t image,
                                      std::int64_t element) {
  if (fill == Fill::kZeros) return T(0);
  if (fill == Fill::kIntegers) {
    const std::uint64_t word = words_of(seed, Stream::kTaps, image, 3 * element).word[0];
    return static_cast<T>(static_cast<std::int32_t>(word * 17 >> 32) - 8);
  }
  std::int32_t sum = 0;
  for (int block = 0; block < 3; ++block) {
    const Words w = words_of(seed, Stream::kTaps, image, 3 * element + block);
    for (const std::uint32_t word : w.word) sum += static_cast<std::int32_t>(word >> 8);
  }
  return static_cast<T>(sum - 6 * (std::int32_t{1} << 24)) * T(0x1p-24);
}

}  // namespace convscale::generator
