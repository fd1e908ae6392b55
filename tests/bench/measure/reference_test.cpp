// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/reference.hpp"

#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace convscale {
namespace {

using Values = std::vector<double>;

using testing::text_of;

/// scipy.signal.convolve2d(image, filter, mode)[::S, ::S] by its definition: each pixel spreads
/// through the filter over the full result, of which the mode keeps the middle; that is decimated.
Values convolve(const Shape& s, const Values& image, const Values& filter) {
  const auto [filter_height, filter_width] = s.filter_size;
  const std::int64_t height = s.height + filter_height - 1, width = s.width + filter_width - 1;
  Values full(static_cast<std::size_t>(height * width));
  for (std::int64_t y = 0; y < s.height; ++y) {
    for (std::int64_t x = 0; x < s.width; ++x) {
      for (std::int64_t a = 0; a < filter_height; ++a) {
        for (std::int64_t b = 0; b < filter_width; ++b) {
          full[static_cast<std::size_t>((y + a) * width + x + b)] +=
              image[static_cast<std::size_t>(y * s.width + x)] *
              filter[static_cast<std::size_t>(a * filter_width + b)];
        }
      }
    }
  }
  // As many rows and columns go above and left as below and right, or one less.
  const std::int64_t top = (height - s.dense_height()) / 2, left = (width - s.dense_width()) / 2;
  Values kept;
  for (std::int64_t y = top; y < top + s.dense_height(); y += s.stride) {
    for (std::int64_t x = left; x < left + s.dense_width(); x += s.stride)
      kept.push_back(full[static_cast<std::size_t>(y * width + x)]);
  }
  return kept;
}

Values integers(std::mt19937_64& random, std::int64_t count) {
  std::uniform_int_distribution<int> draw(-50, 50);
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) value = draw(random);
  return values;
}

Values absolute(Values values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

Values flat(const ReferenceBand::Array& array) {
  return {array.data(), array.data() + array.size()};
}

TEST(Reference, ByHand) {
  // [1 2; 3 4] * [10 20; 30 40] in full is [10 40 40; 60 200 160; 90 240 160].
  const Values image{1, 2, 3, 4}, filter{10, 20, 30, 40};
  ReferenceBand band;
  Shape s{.images = 1, .height = 2, .width = 2, .filter_size = 2, .stride = 1};
  band.compute(s, image.data(), filter.data(), 0, 3);
  EXPECT_THAT(flat(band.expected), ::testing::ElementsAre(10, 40, 40, 60, 200, 160, 90, 240, 160));
  s.stride = 2;
  band.compute(s, image.data(), filter.data(), 0, 2);
  EXPECT_THAT(flat(band.expected), ::testing::ElementsAre(10, 40, 90, 160));
}

TEST(Reference, IsTheConvolutionOnRandomShapes) {
  std::mt19937_64 random(testing::test_seed());
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  ReferenceBand band;
  for (int trial = 0; trial < 2000; ++trial) {
    const std::int64_t largest = trial % 3 == 0 ? 16 : 5;
    // Filters larger than the image and strides larger than image and filter are among them.
    const Shape s{.images = 1,
                  .height = draw(1, 12),
                  .width = draw(1, 12),
                  .filter_size = {draw(1, largest), draw(1, largest)},
                  .stride = draw(1, trial % 5 == 0 ? 40 : 6),
                  .mode = static_cast<Mode>(trial % 7 % 3)};
    if (s.outputs() == 0) continue;  // of an image that is smaller than the filter
    const Values image = integers(random, s.pixels()), filter = integers(random, s.taps());
    const Values expected = convolve(s, image, filter);
    const Values magnitude = convolve(s, absolute(image), absolute(filter));
    band.compute(s, image.data(), filter.data(), 0, s.out_height());
    ASSERT_EQ(flat(band.expected), expected) << text_of(s);
    ASSERT_EQ(flat(band.magnitude), magnitude) << text_of(s);

    const std::int64_t begin = draw(0, s.out_height() - 1), end = draw(begin + 1, s.out_height());
    const std::vector<float> narrow_image(image.begin(), image.end());
    const std::vector<float> narrow_filter(filter.begin(), filter.end());
    band.compute(s, narrow_image.data(), narrow_filter.data(), begin, end);
    const Values rows(expected.begin() + begin * s.out_width(),
                      expected.begin() + end * s.out_width());
    ASSERT_EQ(flat(band.expected), rows) << text_of(s) << ", rows " << begin << " to " << end;
  }
}

TEST(Reference, Float32IsSummedInFloat64) {
  // 2^24 + 1 + 1 is not to be had in float32.
  const std::vector<float> image{0x1p24F, 1, 1}, filter{1, 1, 1, 1, 1, 1, 1, 1, 1};
  const Shape s{.images = 1, .height = 1, .width = 3, .filter_size = 3, .stride = 1};
  ReferenceBand band;
  band.compute(s, image.data(), filter.data(), 0, 1);
  EXPECT_EQ(band.expected(0, 2), 0x1p24 + 2);
}

TEST(Reference, NanAndInfinityStayInTheirWindows) {
  const Values image{1, 1, NAN, 1, 1, 1, INFINITY, 1, 1}, filter{1, 2, 1, 2};
  const Shape s{.images = 1, .height = 1, .width = 9, .filter_size = 2, .stride = 1};
  ReferenceBand band;
  band.compute(s, image.data(), filter.data(), 0, 2);
  EXPECT_EQ(band.expected(0, 1), 3);
  EXPECT_TRUE(std::isnan(band.expected(0, 2)));
  EXPECT_TRUE(std::isnan(band.expected(0, 3)));
  EXPECT_EQ(band.expected(0, 4), 3);
  EXPECT_EQ(band.expected(0, 6), INFINITY);
  EXPECT_EQ(band.expected(0, 7), INFINITY);
  EXPECT_EQ(band.expected(0, 8), 3);
}

}  // namespace
}  // namespace convscale
