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

using testing::text_of;

constexpr Shape kDefault{
    .images = 33, .height = 1000, .width = 1000, .filter_size = 4, .stride = 5};
constexpr Shape kSmallImages{
    .images = 8192, .height = 256, .width = 256, .filter_size = 4, .stride = 5};
constexpr Shape kTiny{.images = 2, .height = 7, .width = 9, .filter_size = 2, .stride = 4};

// All of it is known at compile time.
static_assert(kDefault.pixels() == 1'000'000 && kDefault.taps() == 16);
static_assert(kDefault.dense_height() == 1003 && kDefault.dense_width() == 1003);
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
  const auto [filter_height, filter_width] = s.filter_size;
  // Of the full convolution a mode keeps the middle.
  const std::int64_t top = (s.height + filter_height - 1 - s.dense_height()) / 2;
  const std::int64_t left = (s.width + filter_width - 1 - s.dense_width()) / 2;
  Counted counted;
  for (std::int64_t y = top; y < top + s.dense_height(); y += s.stride) {
    for (std::int64_t x = left; x < left + s.dense_width(); x += s.stride) {
      for (std::int64_t a = 0; a < filter_height; ++a) {
        for (std::int64_t b = 0; b < filter_width; ++b) {
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

constexpr Mode kModes[] = {Mode::kFull, Mode::kSame, Mode::kValid};

TEST(Shape, OutputsAreCountedOneByOne) {
  for (std::int64_t size = 1; size <= 12; ++size) {
    for (std::int64_t k = 1; k <= 6; ++k) {
      for (std::int64_t stride = 1; stride <= 20; ++stride) {
        for (const Mode mode : kModes) {
          const Shape s{1, size, size + 3, {k, k + 2}, stride, mode};
          const auto count = [&](std::int64_t pixels, std::int64_t taps) {
            std::int64_t outputs = 0;
            for (std::int64_t y = 0; y < pixels + taps - 1; ++y) {
              const bool is_whole = y >= taps - 1 && y < pixels;
              // The output of a pixel of `same` is that of the filter's middle.
              const std::int64_t pixel = y - (taps - 1) / 2;
              const bool is_same = pixel >= 0 && pixel < pixels;
              outputs += mode == Mode::kFull || (mode == Mode::kSame ? is_same : is_whole) ? 1 : 0;
            }
            return outputs;
          };
          const std::int64_t rows = count(s.height, k), columns = count(s.width, k + 2);
          ASSERT_EQ(s.dense_height(), rows) << text_of(s);
          ASSERT_EQ(s.dense_width(), columns) << text_of(s);
          ASSERT_EQ(s.out_height(), (rows + stride - 1) / stride) << text_of(s);
          ASSERT_EQ(s.out_width(), (columns + stride - 1) / stride) << text_of(s);
          ASSERT_EQ(s.outputs(), s.out_height() * s.out_width()) << text_of(s);
        }
      }
    }
  }
}

TEST(Shape, FlopsAreTwoForEachTapAndPixelPair) {
  for (std::int64_t height = 1; height <= 9; ++height) {
    for (std::int64_t width = 1; width <= 9; width += 2) {
      for (std::int64_t k = 1; k <= 6; ++k) {
        for (const std::int64_t stride : {1, 2, 3, 5, 7, 20}) {
          for (const Mode mode : kModes) {
            const Shape s{3, height, width, {k, 7 - k}, stride, mode};
            ASSERT_EQ(flops(s, Method::kStrided), 6 * count_kept(s).pairs) << text_of(s);
            Shape dense = s;
            dense.stride = 1;
            ASSERT_EQ(flops(s, Method::kFull), 6 * count_kept(dense).pairs) << text_of(s);
          }
        }
      }
    }
  }
}

TEST(Shape, NeedsAPixelWhereAKeptWindowCoversIt) {
  for (std::int64_t k = 1; k <= 7; ++k) {
    for (std::int64_t stride = 1; stride <= 9; ++stride) {
      for (const Mode mode : kModes) {
        const Shape s{1, 30, 1, {k, 1}, stride, mode};
        const std::set<std::int64_t> pixels = count_kept(s).pixels;
        for (std::int64_t i = 0; i < s.height; ++i)
          ASSERT_EQ(s.rows().needs(i), pixels.contains(i)) << i << ", " << text_of(s);
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
                  .filter_size = {draw(1, 6), draw(1, 6)},
                  .stride = draw(1, trial % 3 == 0 ? 40 : 8),
                  .mode = kModes[trial % 7 % 3]};
    const std::set<std::int64_t> pixels = count_kept(s).pixels;
    for (const std::int64_t element_bytes : {4, 8}) {
      for (const std::int64_t line_bytes : {32, 64, 128}) {
        ASSERT_EQ(image_bytes_touched(s, Method::kStrided, element_bytes, line_bytes),
                  touched_bytes(s, pixels, element_bytes, line_bytes))
            << text_of(s) << ", element " << element_bytes << ", line " << line_bytes;
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
