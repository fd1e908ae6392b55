// SPDX-License-Identifier: Apache-2.0
#include "common/summary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace convscale {
namespace {

TEST(Summary, ByHand) {
  // The textbook sample: mean 5, squares of deviations 9 1 1 1 0 0 4 16 = 32, 32 / 8 = 4.
  const std::vector<double> samples{2, 4, 4, 4, 5, 5, 7, 9};
  const Summary s = summarize(samples);
  EXPECT_DOUBLE_EQ(s.mean, 5);
  EXPECT_DOUBLE_EQ(s.std, 2);  // of a sample it would be 2.138
  EXPECT_DOUBLE_EQ(s.min, 2);
  EXPECT_DOUBLE_EQ(s.median, 4.5);
  EXPECT_DOUBLE_EQ(s.max, 9);
  EXPECT_DOUBLE_EQ(s.cv, 0.4);
  // Deviations from the median: 2.5, 0.5 five times, 2.5, 4.5; MAD 0.5; scores 3.37, 0.67, 6.07.
  EXPECT_EQ(s.outliers, 1);
}

TEST(Summary, OfOneSampleAndOfZeros) {
  const Summary s = summarize(std::vector<double>{0.25});
  for (const double figure : {s.mean, s.min, s.median, s.max}) EXPECT_EQ(figure, 0.25);
  for (const double figure : {s.std, s.cv}) EXPECT_EQ(figure, 0);
  EXPECT_EQ(s.outliers, 0);
  EXPECT_EQ(summarize(std::vector<double>{0, 0}).cv, 0);
}

TEST(Summary, StdSurvivesALargeMean) {
  // The short formula, mean of squares less square of mean, would lose every digit.
  const Summary s = summarize(std::vector<double>{1e9 + 1, 1e9 + 2, 1e9 + 3});
  EXPECT_NEAR(s.std, std::sqrt(2.0 / 3), 1e-7);
}

TEST(Summary, MedianSortsACopy) {
  const std::vector<double> odd{9, 1, 5, 3, 7}, even{8, 2, 6, 4};
  EXPECT_EQ(median_of(odd), 5);
  EXPECT_EQ(median_of(even), 5);
  EXPECT_EQ(odd.front(), 9);
}

TEST(Summary, MediansIntervalIsOfOrderStatistics) {
  // The ranks of tables of the sign test at 5 %, two-sided.
  const std::pair<int, int> lowest_rank[] = {{6, 1},  {8, 1},  {9, 2},   {10, 2},  {12, 3},
                                             {20, 6}, {25, 8}, {30, 10}, {40, 14}, {100, 40}};
  for (const auto& [n, rank] : lowest_rank) {
    std::vector<double> samples;
    for (int i = n; i >= 1; --i) samples.push_back(i);
    const auto interval = interval_of_median(samples);
    ASSERT_TRUE(interval.has_value()) << n;
    EXPECT_EQ(interval->low, rank) << n;
    EXPECT_EQ(interval->high, n - rank + 1) << n;
  }
}

TEST(Summary, FewSamplesGiveNoInterval) {
  for (int n = 1; n <= 5; ++n) {
    const std::vector<double> samples(static_cast<std::size_t>(n), 1.0);
    EXPECT_FALSE(interval_of_median(samples).has_value()) << n;
    EXPECT_FALSE(summarize(samples).noise().has_value()) << n;
  }
}

TEST(Summary, IntervalHoldsForManySamples) {
  // 2^-n is no double here. The normal approximation: 5000 - 1.96 sqrt(10000) / 2 = 4902.
  std::vector<double> samples(10000);
  std::iota(samples.begin(), samples.end(), 1.0);
  const auto interval = interval_of_median(samples);
  ASSERT_TRUE(interval.has_value());
  EXPECT_NEAR(interval->low, 4902, 1);
  EXPECT_NEAR(interval->high, 5099, 1);
}

TEST(Summary, NoiseIsHalfTheIntervalOverTheMedian) {
  const Summary s = summarize(std::vector<double>{9, 10, 10, 10, 10, 12});
  ASSERT_TRUE(s.noise().has_value());
  EXPECT_DOUBLE_EQ(*s.noise(), 0.15);
}

TEST(Summary, OutliersAreThoseWithAModifiedScoreOverThreeAndAHalf) {
  // Median 10, deviations 2 1 0 1 2 and that of x: MAD 1 with x far. Score = 0.6745 d / MAD, so
  // the edge lies at d = 3.5 / 0.6745 = 5.189.
  const auto outliers = [](std::vector<double> extra) {
    std::vector<double> samples{8, 9, 10, 10, 10, 11, 12};
    samples.insert(samples.end(), extra.begin(), extra.end());
    return summarize(samples).outliers;
  };
  // Two extras, one on each side, keep the median at 10; sorted deviations are 0 0 0 1 1 2 2 d d,
  // whose middle is 1.
  EXPECT_EQ(outliers({10 - 5.18, 10 + 5.18}), 0);
  EXPECT_EQ(outliers({10 - 5.18, 10 + 5.20}), 1);
  EXPECT_EQ(outliers({10 - 5.20, 10 + 5.20}), 2);
  EXPECT_EQ(outliers({-1000, 1000}), 2);
}

TEST(Summary, NoOutliersWithoutAMad) {
  EXPECT_EQ(summarize(std::vector<double>{1, 1, 1, 1, 100}).outliers, 0);
  EXPECT_EQ(summarize(std::vector<double>{1, 1}).outliers, 0);
}

}  // namespace
}  // namespace convscale
