// SPDX-License-Identifier: Apache-2.0
#include "bench/stop.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace convscale {
namespace {

using Times = std::vector<double>;

Config config_of(int iterations, StopRule rule = {}) {
  Config config;
  config.burns = 2;
  config.iterations = iterations;
  config.stop = rule;
  return config;
}

TEST(Stop, WithoutARuleTheIterationsDecide) {
  const Config config = config_of(3);
  EXPECT_EQ(stop_now(config, Times(2, 1.0), 1e9), std::nullopt);
  EXPECT_EQ(stop_now(config, Times(3, 1.0), 0), StoppedBy::kIterations);
}

TEST(Stop, LeastTimeCountsMeasuredIterationsOnly) {
  const Config config = config_of(3, {.min_time_s = 5});
  EXPECT_EQ(stop_now(config, Times(4, 1.0), 1e9), std::nullopt);
  EXPECT_EQ(stop_now(config, Times(5, 1.0), 0), StoppedBy::kPrecision);
  EXPECT_EQ(stop_now(config, Times(3, 2.0), 0), StoppedBy::kIterations) << "they were enough";
  EXPECT_EQ(stop_now(config, Times(2, 9.0), 0), std::nullopt) << "iterations are the least";
}

TEST(Stop, NoiseHasToBeKnown) {
  const Config config = config_of(1, {.max_noise = 0.01});
  EXPECT_EQ(stop_now(config, Times(5, 1.0), 0), std::nullopt);
  EXPECT_EQ(stop_now(config, Times(6, 1.0), 0), StoppedBy::kPrecision);
  EXPECT_EQ(stop_now(config, Times{0.9, 1, 1, 1, 1, 1.1}, 0), std::nullopt);
  // From nine on the extremes are out of the interval.
  EXPECT_EQ(stop_now(config, Times{0.9, 1, 1, 1, 1, 1, 1, 1, 1.1}, 0), StoppedBy::kPrecision);
}

TEST(Stop, BothRulesHaveToHold) {
  const Config config = config_of(1, {.min_time_s = 10, .max_noise = 0.01});
  EXPECT_EQ(stop_now(config, Times(6, 1.0), 0), std::nullopt);
  EXPECT_EQ(stop_now(config, Times(10, 1.0), 0), StoppedBy::kPrecision);
}

TEST(Stop, TimeoutEndsItWithAtLeastOneTime) {
  const Config config = config_of(10, {.timeout_s = 2});
  EXPECT_EQ(stop_now(config, {}, 3), std::nullopt);
  EXPECT_EQ(stop_now(config, Times{1}, 1.9), std::nullopt);
  EXPECT_EQ(stop_now(config, Times{1}, 2), StoppedBy::kTimeout);
  EXPECT_EQ(stop_now(config, Times(10, 1.0), 3), StoppedBy::kIterations);
}

TEST(Stop, ManyTimesAreLookedAtNowAndThen) {
  const Config config = config_of(1, {.max_noise = 0.01});
  int looks = 0;
  for (std::size_t n = 1000; n < 1100; ++n) looks += stop_now(config, Times(n, 1.0), 0) ? 1 : 0;
  EXPECT_EQ(looks, 10);
}

TEST(DoneShare, FollowsWhatTakesLongest) {
  EXPECT_DOUBLE_EQ(done_share(config_of(8), 5, Times(3, 1.0), 4), 0.5);
  EXPECT_DOUBLE_EQ(done_share(config_of(8, {.min_time_s = 30}), 5, Times(3, 1.0), 4), 0.1);
  EXPECT_DOUBLE_EQ(done_share(config_of(8, {.timeout_s = 5}), 5, Times(3, 1.0), 4), 0.8);
  const double noisy =
      done_share(config_of(6, {.max_noise = 0.05}), 8, Times{0.9, 1, 1, 1, 1, 1.1}, 4);
  EXPECT_NEAR(noisy, 0.25, 1e-12) << "four times as many samples for half of the noise";
  EXPECT_EQ(done_share(config_of(1, {.max_noise = 0.05}), 3, Times{1}, 4), 0);
}

}  // namespace
}  // namespace convscale
