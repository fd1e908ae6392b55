// SPDX-License-Identifier: Apache-2.0
#include "common/generator.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <span>
#include <vector>

namespace convscale::generator {
namespace {

constexpr std::int64_t kFarImage = (std::int64_t{1} << 32) + 3;

constexpr bool equal(const Words& got, const std::array<std::uint32_t, 4>& expected) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (got.word[i] != expected[i]) return false;
  }
  return true;
}

// Known answers of Random123's kat_vectors ("philox4x32 10").
constexpr std::uint32_t kOnes = 0xffffffff;
static_assert(equal(philox4x32({{0, 0, 0, 0}}, 0, 0),
                    {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
static_assert(equal(philox4x32({{kOnes, kOnes, kOnes, kOnes}}, kOnes, kOnes),
                    {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
static_assert(equal(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822,
                               0x299f31d0),
                    {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));

struct Vector {
  std::uint64_t seed;
  std::int64_t image, element;
  double float64, float32;
  int integer;
};

// docs/workload.md publishes these. Made by a second implementation, in another language.
constexpr Vector kPixels[] = {
    {0, 0, 0, 0x1.c2d38b1acc4fdp-1, 0x1.c2d38ap-1, 225},
    {0, 0, 1, 0x1.3601b7b178af5p-1, 0x1.3601b6p-1, 155},
    {0, 0, 2, 0x1.72c8036fe3932p-2, 0x1.72c8p-2, 92},
    {0, 0, 999999, 0x1.d9b6ffc2285d4p-3, 0x1.d9b6f8p-3, 59},
    {0, 1, 0, 0x1.e11add55088a2p-1, 0x1.e11adcp-1, 240},
    {0, 1, 1, 0x1.07f0ebe01e338p-1, 0x1.07f0eap-1, 131},
    {0, kFarImage, 0, 0x1.5cb888cf5c26p-3, 0x1.5cb888p-3, 43},
    {0, kFarImage, 1, 0x1.991cfa4359a44p-2, 0x1.991cf8p-2, 102},
    {42, 0, 0, 0x1.dfd524ee73abcp-2, 0x1.dfd524p-2, 119},
    {42, 0, 1, 0x1.5d0acf5c4afd4p-2, 0x1.5d0accp-2, 87},
    {42, 0, 999999, 0x1.99568baaef79p-2, 0x1.995688p-2, 102},
    {42, 1, 0, 0x1.028f489814998p-3, 0x1.028f48p-3, 32},
    {42, 1, 1, 0x1.6c58813876d16p-1, 0x1.6c588p-1, 182},
    {42, kFarImage, 0, 0x1.c18703b520cb9p-1, 0x1.c18702p-1, 224},
    {42, kFarImage, 1, 0x1.13552453932eap-2, 0x1.135524p-2, 68},
    {UINT64_MAX, kFarImage, 2, 0x1.2ad25d48029b4p-1, 0x1.2ad25cp-1, 149},
};
constexpr Vector kTaps[] = {
    {0, 0, 0, 0x1.276p-10, 0x1.276p-10, 6},
    {0, 0, 1, -0x1.6a27350p+0, -0x1.6a2734p+0, -2},
    {0, 0, 15, 0x1.2abf85p+0, 0x1.2abf84p+0, 5},
    {0, 1, 0, 0x1.c434cp-3, 0x1.c434cp-3, -4},
    {0, 1, 15, -0x1.221f08p-1, -0x1.221f08p-1, 5},
    {0, kFarImage, 0, 0x1.319d11p+0, 0x1.319d1p+0, 5},
    {0, kFarImage, 15, 0x1.14d8e4p-1, 0x1.14d8e4p-1, -3},
    {42, 0, 0, -0x1.f545bp-2, -0x1.f545bp-2, 6},
    {42, 0, 1, -0x1.53bd5ep+0, -0x1.53bd5ep+0, -5},
    {42, 0, 15, -0x1.bb256p-5, -0x1.bb256p-5, 8},
    {42, 1, 0, -0x1.26d865p+0, -0x1.26d864p+0, -3},
    {42, kFarImage, 0, -0x1.8948e9p+0, -0x1.8948e8p+0, -7},
    {42, kFarImage, 15, 0x1.45efebp+0, 0x1.45efecp+0, 8},
    {UINT64_MAX, 1, 0, -0x1.3f46c8p+0, -0x1.3f46c8p+0, -8},
};

/// `make` is the generator of pixels or of taps.
template <class Make>
void expect_published(std::span<const Vector> vectors, const Make& make) {
  for (const Vector& v : vectors) {
    SCOPED_TRACE(::testing::Message() << v.seed << ", " << v.image << ", " << v.element);
    EXPECT_EQ(make.template operator()<double>(Fill::kRandom, v), v.float64);
    EXPECT_EQ(make.template operator()<float>(Fill::kRandom, v), v.float32);
    EXPECT_EQ(make.template operator()<double>(Fill::kIntegers, v), v.integer);
    EXPECT_EQ(make.template operator()<float>(Fill::kIntegers, v), static_cast<float>(v.integer));
    EXPECT_EQ(make.template operator()<double>(Fill::kZeros, v), 0);
    EXPECT_EQ(make.template operator()<float>(Fill::kZeros, v), 0);
  }
}

TEST(Generator, PublishedPixelsAndTaps) {
  expect_published(kPixels, []<class T>(Fill fill, const Vector& v) {
    return pixel<T>(fill, v.seed, v.image, v.element);
  });
  expect_published(kTaps, []<class T>(Fill fill, const Vector& v) {
    return tap<T>(fill, v.seed, v.image, v.element);
  });
}

TEST(Generator, ExtremeWordsStayBelowOne) {
  EXPECT_EQ(pixel_of<double>(Fill::kRandom, kOnes, kOnes), 1 - 0x1p-53);
  EXPECT_EQ(pixel_of<float>(Fill::kRandom, kOnes, kOnes), 1 - 0x1p-24F);
  EXPECT_EQ(pixel_of<double>(Fill::kRandom, 0, 0), 0.0);
  EXPECT_EQ(pixel_of<double>(Fill::kRandom, 0x7ff, 0), 0.0);  // the low 11 bits do not count
  EXPECT_EQ(pixel_of<double>(Fill::kRandom, 0x800, 0), 0x1p-53);
  EXPECT_EQ(pixel_of<float>(Fill::kRandom, kOnes, 0xff), 0.0F);
}

struct Moments {
  double mean = 0, variance = 0, low = INFINITY, high = -INFINITY;
};

Moments moments_of(const std::vector<double>& values) {
  Moments m;
  for (const double v : values) {
    m.mean += v / static_cast<double>(values.size());
    m.low = std::min(m.low, v);
    m.high = std::max(m.high, v);
  }
  for (const double v : values)
    m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
  return m;
}

// Random seeds; the bands are six standard deviations wide, so they fail once in 10^8 or so.
TEST(Generator, RandomPixelsAreUniform) {
  const std::uint64_t seed = testing::test_seed();
  constexpr int kCount = 100'000;
  std::vector<double> values;
  values.reserve(kCount);
  for (int i = 0; i < kCount; ++i) values.push_back(pixel<double>(Fill::kRandom, seed, 5, i));
  const Moments m = moments_of(values);
  EXPECT_GE(m.low, 0);
  EXPECT_LT(m.high, 1);
  EXPECT_LT(m.low, 0.001);
  EXPECT_GT(m.high, 0.999);
  EXPECT_NEAR(m.mean, 0.5, 6 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(m.variance, 1.0 / 12, 6 * std::sqrt((1.0 / 80 - 1.0 / 144) / kCount));
}

TEST(Generator, RandomTapsHaveMeanZeroAndVarianceOne) {
  const std::uint64_t seed = testing::test_seed();
  constexpr int kCount = 50'000;
  std::vector<double> values;
  values.reserve(kCount);
  for (int i = 0; i < kCount; ++i) values.push_back(tap<double>(Fill::kRandom, seed, 5, i));
  const Moments m = moments_of(values);
  EXPECT_NEAR(m.mean, 0, 6 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(m.variance, 1, 6 * std::sqrt(2.0 / kCount));
  EXPECT_GE(m.low, -6);
  EXPECT_LT(m.high, 6);
  EXPECT_LT(m.low, -3);
  EXPECT_GT(m.high, 3);
}

TEST(Generator, IntegersReachEveryValueAndNoOther) {
  const std::uint64_t seed = testing::test_seed();
  std::set<double> pixels, taps;
  for (int i = 0; i < 100'000; ++i) {
    pixels.insert(pixel<double>(Fill::kIntegers, seed, 0, i));
    taps.insert(tap<double>(Fill::kIntegers, seed, 0, i));
  }
  EXPECT_TRUE(pixels.size() == 256 && *pixels.begin() == 0 && *pixels.rbegin() == 255);
  EXPECT_TRUE(taps.size() == 17 && *taps.begin() == -8 && *taps.rbegin() == 8);
}

TEST(Generator, Float32PixelsAreFloat64PixelsCutTo24Bits) {
  std::mt19937_64 random(testing::test_seed());
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t seed = random();
    const auto image = static_cast<std::int64_t>(random() >> 1);
    const auto element = static_cast<std::int64_t>(random() >> 24);
    const auto wide = pixel<double>(Fill::kRandom, seed, image, element);
    const auto narrow = pixel<float>(Fill::kRandom, seed, image, element);
    ASSERT_EQ(static_cast<double>(narrow), std::floor(wide * 0x1p24) * 0x1p-24);
  }
}

TEST(Generator, SeedsImagesElementsAndStreamsDiffer) {
  std::set<double> seen;
  int made = 0;
  // Each bit of the seed and of the image matters, above bit 31 too.
  for (int bit = 0; bit < 64; ++bit, ++made)
    seen.insert(pixel<double>(Fill::kRandom, std::uint64_t{1} << bit, 0, 0));
  for (int bit = 0; bit < 63; ++bit, ++made)
    seen.insert(pixel<double>(Fill::kRandom, 0, std::int64_t{1} << bit, 0));
  for (int bit = 0; bit < 63; ++bit, ++made)
    seen.insert(pixel<double>(Fill::kRandom, 0, 0, std::int64_t{1} << bit));
  seen.insert(pixel<double>(Fill::kRandom, 0, 0, 0));
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(made) + 1);

  const Words pixels = words_of(7, Stream::kPixels, 3, 2);
  const Words taps = words_of(7, Stream::kTaps, 3, 2);
  for (int i = 0; i < 4; ++i) EXPECT_NE(pixels.word[i], taps.word[i]);
}

}  // namespace
}  // namespace convscale::generator
