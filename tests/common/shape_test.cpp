// SPDX-License-Identifier: Apache-2.0
#include "common/shape.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>
#include <string>

namespace convscale {
namespace {

constexpr Shape kDefault{
    .images = 33, .height = 1000, .width = 1000, .filter_size = 4, .stride = 5};
constexpr Shape kSmallImages{
    .images = 8192, .height = 256, .width = 256, .filter_size = 4, .stride = 5};
constexpr Shape kTiny{.images = 2, .height = 7, .width = 9, .filter_size = 2, .stride = 4};

// All of it is known at compile time.
static_assert(kDefault.pixels() == 1'000'000 && kDefault.taps() == 16);
static_assert(kDefault.full_height() == 1003 && kDefault.full_width() == 1003);
static_assert(kDefault.out_height() == 201 && kDefault.out_width() == 201);
static_assert(kDefault.images * kDefault.outputs() == 1'333'233);
static_assert(kSmallImages.out_height() == 52 && kSmallImages.outputs() == 2704);
static_assert(flops(kDefault, Method::kFull) == 2LL * 16 * 1000 * 1000 * 33);
static_assert(least_bytes(kTiny, Method::kFull, Dtype::kFloat32, 64) == 512 + 2 * 2 * 3 * 4);
// Full touches every line of 2 * 7 * 9 = 126 pixels: 504 and 1008 bytes.
static_assert(image_bytes_touched(kTiny, Method::kFull, 4, 64) == 512);
static_assert(image_bytes_touched(kTiny, Method::kFull, 4, 32) == 512);
static_assert(image_bytes_touched(kTiny, Method::kFull, 8, 64) == 1024);
// Counted by a program in another language.
static_assert(least_bytes(kDefault, Method::kStrided, Dtype::kFloat64, 64) == 221'865'864);
static_assert(least_bytes(kDefault, Method::kStrided, Dtype::kFloat64, 32) == 221'865'864);
static_assert(least_bytes(kDefault, Method::kStrided, Dtype::kFloat32, 64) == 111'144'132);
static_assert(least_bytes(kSmallImages, Method::kStrided, Dtype::kFloat64, 64) == 3'616'538'624);

/// Every sum of the definition, output by output and tap by tap.
struct Counted {
  std::int64_t pairs = 0;         // (tap, pixel) pairs of the kept outputs of one image
  std::set<std::int64_t> pixels;  // distinct pixels that they read
};

Counted count_kept(const Shape& s) {
  Counted counted;
  for (std::int64_t y = 0; y < s.full_height(); y += s.stride) {
    for (std::int64_t x = 0; x < s.full_width(); x += s.stride) {
      for (std::int64_t a = 0; a < s.filter_size; ++a) {
        for (std::int64_t b = 0; b < s.filter_size; ++b) {
          const std::int64_t row = y - a, column = x - b;
          if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
          ++counted.pairs;
          counted.pixels.insert(row * s.width + column);
        }
      }
    }
  }
  return counted;
}

/// Of the lines that hold one of these pixels of each image.
std::int64_t touched_bytes(const Shape& s, const std::set<std::int64_t>& pixels,
                           std::int64_t element_bytes, std::int64_t line_bytes) {
  std::int64_t lines = 0, last = -1;
  for (std::int64_t image = 0; image < s.images; ++image) {
    for (const std::int64_t pixel : pixels) {  // in order
      const std::int64_t line = (image * s.pixels() + pixel) * element_bytes / line_bytes;
      if (line != last) ++lines;
      last = line;
    }
  }
  return lines * line_bytes;
}

std::string text(const Shape& s) {
  return std::to_string(s.images) + " of " + std::to_string(s.height) + "x" +
         std::to_string(s.width) + ", K " + std::to_string(s.filter_size) + ", S " +
         std::to_string(s.stride);
}

TEST(Shape, OutputsAreCountedOneByOne) {
  for (std::int64_t size = 1; size <= 12; ++size) {
    for (std::int64_t k = 1; k <= 6; ++k) {
      for (std::int64_t stride = 1; stride <= 20; ++stride) {
        const Shape s{
            .images = 1, .height = size, .width = size + 3, .filter_size = k, .stride = stride};
        std::int64_t rows = 0, columns = 0;
        for (std::int64_t y = 0; y < size + k - 1; y += stride) ++rows;
        for (std::int64_t x = 0; x < size + 3 + k - 1; x += stride) ++columns;
        ASSERT_EQ(s.out_height(), rows) << text(s);
        ASSERT_EQ(s.out_width(), columns) << text(s);
        ASSERT_EQ(s.outputs(), rows * columns) << text(s);
      }
    }
  }
}

TEST(Shape, StridedFlopsAreTwoForEachTapAndPixelPair) {
  for (std::int64_t height = 1; height <= 9; ++height) {
    for (std::int64_t width = 1; width <= 9; width += 2) {
      for (std::int64_t k = 1; k <= 6; ++k) {
        for (const std::int64_t stride : {1, 2, 3, 5, 7, 20}) {
          const Shape s{
              .images = 3, .height = height, .width = width, .filter_size = k, .stride = stride};
          const std::int64_t expected = 6 * count_kept(s).pairs;
          ASSERT_EQ(flops(s, Method::kStrided), expected) << text(s);
          ASSERT_EQ(flops(s, Method::kFull), 6 * k * k * height * width) << text(s);
          if (stride == 1) {
            ASSERT_EQ(expected, flops(s, Method::kFull)) << text(s);
          }
        }
      }
    }
  }
}

TEST(Shape, IsNeededWhereAKeptWindowCoversThePixel) {
  for (std::int64_t k = 1; k <= 7; ++k) {
    for (std::int64_t stride = 1; stride <= 9; ++stride) {
      constexpr std::int64_t kSize = 30;
      for (std::int64_t i = 0; i < kSize; ++i) {
        bool covered = false;
        for (std::int64_t y = 0; y < kSize + k - 1; y += stride)
          covered = covered || (y - k < i && i <= y);
        ASSERT_EQ(is_needed(i, k, stride), covered) << i << ", K " << k << ", S " << stride;
      }
    }
  }
}

TEST(Shape, StridedTouchesTheLinesThatHoldANeededPixel) {
  std::mt19937_64 random(testing::test_seed());
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int trial = 0; trial < 1000; ++trial) {
    const Shape s{.images = draw(1, 4),
                  .height = draw(1, 14),
                  .width = draw(1, trial % 2 == 0 ? 12 : 90),
                  .filter_size = draw(1, 6),
                  .stride = draw(1, trial % 3 == 0 ? 40 : 8)};
    const std::set<std::int64_t> pixels = count_kept(s).pixels;
    for (const std::int64_t element_bytes : {4, 8}) {
      for (const std::int64_t line_bytes : {32, 64, 128}) {
        ASSERT_EQ(image_bytes_touched(s, Method::kStrided, element_bytes, line_bytes),
                  touched_bytes(s, pixels, element_bytes, line_bytes))
            << text(s) << ", element " << element_bytes << ", line " << line_bytes;
      }
    }
  }
}

TEST(Shape, LeastBytesAddTheResults) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64}) {
    for (const Method method : {Method::kFull, Method::kStrided}) {
      EXPECT_EQ(least_bytes(kTiny, method, dtype, 64),
                image_bytes_touched(kTiny, method, size_of(dtype), 64) +
                    2 * kTiny.outputs() * size_of(dtype));
    }
  }
}

}  // namespace
}  // namespace convscale
