// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/break_even.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace convscale {
namespace {

TEST(FitLine, FindsALineThatAllPointsLieOn) {
  const std::vector<ImagesTime> points{{8, 6}, {16, 10}, {33, 18.5}};
  const auto line = fit_line(points);
  ASSERT_TRUE(line);
  EXPECT_DOUBLE_EQ(line->fixed_s, 2);
  EXPECT_DOUBLE_EQ(line->per_image_s, 0.5);
}

TEST(FitLine, IsTheOneOfLeastSquares) {
  // By hand: means 2 and 3; covariance 1 * 2 + 1 * 3 = 5 over variance 2.
  const std::vector<ImagesTime> points{{1, 1}, {2, 2}, {3, 6}};
  const auto line = fit_line(points);
  ASSERT_TRUE(line);
  EXPECT_DOUBLE_EQ(line->per_image_s, 2.5);
  EXPECT_DOUBLE_EQ(line->fixed_s, -2);
}

TEST(FitLine, KeepsASmallSlopeBesideALargeFixedCost) {
  std::vector<ImagesTime> points;
  for (const std::int64_t images : {2048, 4096, 8192})
    points.push_back({images, 1000 + 0.0009765625 * static_cast<double>(images)});
  const auto line = fit_line(points);
  ASSERT_TRUE(line);
  EXPECT_DOUBLE_EQ(line->per_image_s, 0.0009765625);
  EXPECT_DOUBLE_EQ(line->fixed_s, 1000);
}

TEST(FitLine, NeedsThreeDifferentNumbers) {
  EXPECT_FALSE(fit_line({}));
  EXPECT_FALSE(fit_line(std::vector<ImagesTime>{{1, 1}, {2, 2}}));
  EXPECT_FALSE(fit_line(std::vector<ImagesTime>{{1, 1}, {2, 2}, {2, 3}, {1, 1}}));
  EXPECT_TRUE(fit_line(std::vector<ImagesTime>{{1, 1}, {2, 2}, {2, 3}, {3, 3}}));
}

TEST(PaysFrom, IsTheFirstNumberAtWhichTheGpuIsBelow) {
  // 0.5 N against 3 + 0.25 N: equal at 12, so it pays from 13 on.
  EXPECT_EQ(pays_from({0, 0.5}, {3, 0.25}), 13);
  EXPECT_EQ(pays_from({0, 0.5}, {3.125, 0.25}), 13);  // equal at 12.5
  EXPECT_EQ(pays_from({1, 0.5}, {3, 0.25}), 9);
  EXPECT_EQ(pays_from({0, 1}, {1e9, 0}), 1'000'000'001);
}

TEST(PaysFrom, IsOneWhereItAlwaysPays) {
  EXPECT_EQ(pays_from({2, 0.5}, {1, 0.25}), 1);  // below even at none
  EXPECT_EQ(pays_from({0, 0.5}, {0, 0.25}), 1);  // equal at none
  EXPECT_EQ(pays_from({0, 0.5}, {0.125, 0.25}), 1);
  EXPECT_EQ(pays_from({2, 0.5}, {1, 0.5}), 1);  // parallel, and below
}

TEST(PaysFrom, IsNothingWhereTheCpuWinsInTheEnd) {
  EXPECT_FALSE(pays_from({2, 0.25}, {0, 0.5}));  // the GPU is ahead for few images only
  EXPECT_FALSE(pays_from({0, 0.25}, {1, 0.5}));
  EXPECT_FALSE(pays_from({1, 0.5}, {1, 0.5}));
  EXPECT_FALSE(pays_from({1, 0.5}, {2, 0.5}));
}

TEST(PaysFrom, IsNothingRatherThanANumberThatMeansNothing) {
  EXPECT_FALSE(pays_from({0, 1e-300}, {1, 0}));
  EXPECT_FALSE(pays_from({0, 1}, {std::numeric_limits<double>::infinity(), 0.5}));
  EXPECT_FALSE(pays_from({0, std::numeric_limits<double>::quiet_NaN()}, {1, 0}));
}

TEST(PassesToPay, IsTheFirstOneThatIsAhead) {
  EXPECT_EQ(passes_to_pay(4, 1, 3), 3);    // after 2: 6 against 6
  EXPECT_EQ(passes_to_pay(4.5, 1, 3), 3);  // after 2: 6.5 against 6
  EXPECT_EQ(passes_to_pay(3.5, 1, 3), 2);
  EXPECT_EQ(passes_to_pay(1, 1, 3), 1);
  EXPECT_EQ(passes_to_pay(0, 1, 3), 1);
}

TEST(PassesToPay, IsNothingWhereAPassIsNoFaster) {
  EXPECT_FALSE(passes_to_pay(1, 3, 3));
  EXPECT_FALSE(passes_to_pay(0, 4, 3));
}

}  // namespace
}  // namespace convscale
