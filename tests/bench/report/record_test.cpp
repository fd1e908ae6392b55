// SPDX-License-Identifier: Apache-2.0
#include "bench/report/record.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace convscale {
namespace {

Record record_of(std::vector<double> times_s, bool interleaved = false) {
  Record r;
  r.config.shape = {.images = 2, .height = 10, .width = 10, .filter_size = 4, .stride = 5};
  r.config.interleaved = interleaved;
  r.summary = summarize(times_s);
  r.times_s = std::move(times_s);
  return r;
}

TEST(SpeedAgainst, IsTheRatioOfPixelsPerSecond) {
  const Record first = record_of({2, 2, 2});
  Record other = record_of({1, 1, 1});
  EXPECT_EQ(speed_against(first, other)->ratio, 2);
  other.config.shape.images = 4;
  EXPECT_EQ(speed_against(first, other)->ratio, 4);
  EXPECT_FALSE(speed_against(first, other)->interval.has_value()) << "of three times each";
}

TEST(SpeedAgainst, OfItselfIsCertain) {
  const Record first = record_of({1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(speed_against(first, first)->ratio, 1);
  EXPECT_FALSE(speed_against(first, first)->interval.has_value());
}

TEST(SpeedAgainst, CombinesTheIntervalsOfBothMedians) {
  // Six times each: the intervals are the extremes, 1.8 to 2.4 and 0.9 to 1.1.
  const Record first = record_of({1.8, 2, 2, 2, 2, 2.4}), other = record_of({0.9, 1, 1, 1, 1, 1.1});
  const Speedup speedup = *speed_against(first, other);
  EXPECT_EQ(speedup.ratio, 2);
  ASSERT_TRUE(speedup.interval.has_value());
  EXPECT_DOUBLE_EQ(speedup.interval->low,
                   2 / std::exp(std::hypot(std::log(2 / 1.8), std::log(1.1))));
  EXPECT_DOUBLE_EQ(speedup.interval->high,
                   2 * std::exp(std::hypot(std::log(2.4 / 2), std::log(1 / 0.9))));
}

TEST(SpeedAgainst, PairsWhatRanSideBySide) {
  // The machine gets slower and slower, and the ratio stays 2.
  std::vector<double> slow, fast;
  for (int i = 1; i <= 8; ++i) {
    slow.push_back(2 * i);
    fast.push_back(i);
  }
  const Speedup paired = *speed_against(record_of(slow, true), record_of(fast, true));
  EXPECT_EQ(paired.ratio, 2);
  ASSERT_TRUE(paired.interval.has_value());
  EXPECT_EQ(paired.interval->low, 2);
  EXPECT_EQ(paired.interval->high, 2);
  const Speedup unpaired = *speed_against(record_of(slow), record_of(fast));
  EXPECT_LT(unpaired.interval->low, 1);
  EXPECT_GT(unpaired.interval->high, 4);
}

TEST(SpeedAgainst, AWorkTimeSaysNothingOfSpeed) {
  const Record first = record_of({1, 1});
  Record other = record_of({1, 1});
  other.config.work_time_s = 0.5;
  EXPECT_FALSE(images_per_s(other).has_value());
  EXPECT_FALSE(bytes_per_s(other).has_value());
  EXPECT_FALSE(flops_per_s(other).has_value());
  EXPECT_FALSE(speed_against(first, other).has_value());
  EXPECT_FALSE(speed_against(other, other).has_value());
}

/// An image of 64 x 64 of which `strided` needs a pixel in every 16th row and column: each lies in
/// a line of its own.
TEST(Rates, CountWhatTheirMethodMovesAndComputes) {
  Record r = record_of({2});
  r.config.shape = {.images = 3, .height = 64, .width = 64, .filter_size = 1, .stride = 16};
  constexpr double kOutputs = 16, kPixels = 64 * 64, kLine = 64, kElement = 8;
  r.config.method = Method::kFull;
  EXPECT_EQ(bytes_per_s(r), 3 * kElement * (kPixels + kOutputs) / 2);
  EXPECT_EQ(flops_per_s(r), 3 * 2 * kPixels / 2);
  r.config.method = Method::kStrided;
  EXPECT_EQ(bytes_per_s(r), 3 * (kLine + kElement) * kOutputs / 2);
  EXPECT_EQ(flops_per_s(r), 3 * 2 * kOutputs / 2);
  for (const Method method : {Method::kFull, Method::kStrided}) {
    r.config.method = method;
    EXPECT_EQ(images_per_s(r), 1.5);
    EXPECT_EQ(pixels_per_s(r), 1.5 * kPixels);
    r.facts.direct = false;
    EXPECT_FALSE(flops_per_s(r)) << "not the direct sum's";
    r.facts.direct = true;
  }
  r.summary.reset();
  EXPECT_FALSE(images_per_s(r) || pixels_per_s(r) || bytes_per_s(r) || flops_per_s(r));
}

}  // namespace
}  // namespace convscale
