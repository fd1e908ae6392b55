// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/stopping_rule.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace convscale {
namespace {

using Times = std::vector<double>;

/// A stopper that saw `times_s`, each of which took as long on the whole.
StoppingRule after(const Times& times_s, int iterations, StopRule rule = {}, double elapsed_s = 0) {
  Config config;
  config.burns = 2;
  config.iterations = iterations;
  config.stop = rule;
  StoppingRule stopper(config);
  stopper.add_burn(0);
  stopper.add_burn(0);
  for (const double time_s : times_s) stopper.add(time_s, elapsed_s);
  return stopper;
}

std::optional<StoppedBy> stopped(const Times& times_s, int iterations, StopRule rule = {},
                                 double elapsed_s = 0) {
  return after(times_s, iterations, rule, elapsed_s).stopped();
}

TEST(StoppingRule, WithoutARuleTheIterationsDecide) {
  EXPECT_EQ(stopped(Times(2, 1.0), 3, {}, 1e9), std::nullopt);
  EXPECT_EQ(stopped(Times(3, 1.0), 3), StoppedBy::kIterations);
}

TEST(StoppingRule, LeastTimeCountsMeasuredIterationsOnly) {
  const StopRule rule{.min_time_s = 5};
  EXPECT_EQ(stopped(Times(4, 1.0), 3, rule, 1e9), std::nullopt);
  EXPECT_EQ(stopped(Times(5, 1.0), 3, rule), StoppedBy::kPrecision);
  EXPECT_EQ(stopped(Times(3, 2.0), 3, rule), StoppedBy::kIterations) << "they were enough";
  EXPECT_EQ(stopped(Times(2, 9.0), 3, rule), std::nullopt) << "iterations are the least";
}

TEST(StoppingRule, NoiseHasToBeKnown) {
  const StopRule rule{.max_noise = 0.01};
  EXPECT_EQ(stopped(Times(5, 1.0), 1, rule), std::nullopt);
  EXPECT_EQ(stopped(Times(6, 1.0), 1, rule), StoppedBy::kPrecision);
  EXPECT_EQ(stopped({0.9, 1, 1, 1, 1, 1.1}, 1, rule), std::nullopt);
  // From nine on the extremes are out of the interval.
  EXPECT_EQ(stopped({0.9, 1, 1, 1, 1, 1, 1, 1, 1.1}, 1, rule), StoppedBy::kPrecision);
}

TEST(StoppingRule, BothRulesHaveToHold) {
  const StopRule rule{.min_time_s = 10, .max_noise = 0.01};
  EXPECT_EQ(stopped(Times(6, 1.0), 1, rule), std::nullopt);
  EXPECT_EQ(stopped(Times(10, 1.0), 1, rule), StoppedBy::kPrecision);
}

TEST(StoppingRule, TimeoutEndsItWithAtLeastOneTime) {
  const StopRule rule{.timeout_s = 2};
  EXPECT_EQ(stopped({}, 10, rule, 3), std::nullopt);
  EXPECT_EQ(stopped({1}, 10, rule, 1.9), std::nullopt);
  EXPECT_EQ(stopped({1}, 10, rule, 2), StoppedBy::kTimeout);
  EXPECT_EQ(stopped({1}, 1, rule, 3), StoppedBy::kIterations) << "it had enough";
}

TEST(StoppingRule, WhatItSaidStays) {
  StoppingRule stopper = after(Times(6, 1.0), 1, {.max_noise = 0.01, .timeout_s = 5}, 1);
  ASSERT_EQ(stopper.stopped(), StoppedBy::kPrecision);
  EXPECT_FALSE(stopper.is_out_of_time());
  for (int i = 0; i < 20; ++i) stopper.add(i, 9);  // others need more, and now it is noisy and late
  EXPECT_EQ(stopper.stopped(), StoppedBy::kPrecision);
  EXPECT_TRUE(stopper.is_out_of_time());
}

TEST(StoppingRule, LooksAtTheNoiseAfterGrowingNumbers) {
  // Noisy until the look at 100, exact from then on: the next look is at 110.
  Times times;
  for (int i = 0; i < 100; ++i) times.push_back(i % 2 == 0 ? 1 : 2);
  for (int count = 0; count < 400 && !stopped(times, 100, {.max_noise = 0.3}); ++count)
    times.push_back(2);
  EXPECT_EQ(times.size(), 110u);
}

TEST(DoneShare, FollowsWhatTakesLongest) {
  EXPECT_DOUBLE_EQ(after(Times(3, 1.0), 8, {}, 4).done_share(), 0.5);
  EXPECT_DOUBLE_EQ(after(Times(3, 1.0), 8, {.min_time_s = 30}, 4).done_share(), 0.1);
  EXPECT_DOUBLE_EQ(after(Times(3, 1.0), 8, {.timeout_s = 5}, 4).done_share(), 0.8);
  const double noisy = after({0.9, 1, 1, 1, 1, 1.1}, 6, {.max_noise = 0.05}).done_share();
  EXPECT_NEAR(noisy, 0.25, 1e-12) << "four times as many samples for half of the noise";
  EXPECT_EQ(after({1}, 1, {.max_noise = 0.05}).done_share(), 0);
}

TEST(DoneShare, HoldsBetweenLooks) {
  Times times;
  for (int i = 0; i < 250; ++i) times.push_back(i % 2 == 0 ? 1 : 2);
  const StopRule rule{.max_noise = 0.001};
  for (int i = 0; i < 30; ++i) {
    times.push_back(i % 2 == 0 ? 1 : 2);
    EXPECT_LT(after(times, 10, rule).done_share(), 0.1) << times.size();
  }
}

}  // namespace
}  // namespace convscale
