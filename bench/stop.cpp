// SPDX-License-Identifier: Apache-2.0
#include "bench/stop.hpp"

#include "common/summary.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace convscale {
namespace {

double sum_of(std::span<const double> times_s) {
  return std::accumulate(times_s.begin(), times_s.end(), 0.0);
}

std::optional<double> noise_of(std::span<const double> times_s) {
  const auto interval = interval_of_median(times_s);
  const double median = times_s.empty() ? 0 : median_of(times_s);
  if (!interval || median <= 0) return std::nullopt;
  return (interval->high - interval->low) / 2 / median;
}

/// Sorting all times after each iteration would cost more than the iterations, once there are many.
bool is_worth_a_look(std::size_t count) {
  constexpr std::size_t kAlways = 200, kPerCent = 100;
  return count < kAlways || count % (count / kPerCent) == 0;
}

}  // namespace

std::optional<StoppedBy> stop_now(const Config& config, std::span<const double> times_s,
                                  double elapsed_s) {
  const StopRule& rule = config.stop;
  const auto least = static_cast<std::size_t>(config.iterations);
  if (times_s.size() >= least) {
    const bool long_enough = !rule.min_time_s || sum_of(times_s) >= *rule.min_time_s;
    const auto is_precise = [&] {
      if (!rule.max_noise) return true;
      if (!is_worth_a_look(times_s.size())) return false;
      const auto noise = noise_of(times_s);
      return noise && *noise <= *rule.max_noise;
    };
    if (long_enough && is_precise())
      return times_s.size() == least ? StoppedBy::kIterations : StoppedBy::kPrecision;
  }
  if (rule.timeout_s && elapsed_s >= *rule.timeout_s && !times_s.empty())
    return StoppedBy::kTimeout;
  return std::nullopt;
}

double done_share(const Config& config, int iterations, std::span<const double> times_s,
                  double elapsed_s) {
  const StopRule& rule = config.stop;
  double share = static_cast<double>(iterations) / (config.burns + config.iterations);
  if (rule.min_time_s && *rule.min_time_s > 0)
    share = std::min(share, sum_of(times_s) / *rule.min_time_s);
  if (rule.max_noise && is_worth_a_look(times_s.size())) {
    // An interval shrinks with the root of the number of samples.
    const auto noise = noise_of(times_s);
    const double ratio = noise && *noise > 0 ? *rule.max_noise / *noise : noise ? 1.0 : 0.0;
    share = std::min(share, ratio * ratio);
  }
  if (rule.timeout_s && *rule.timeout_s > 0) share = std::max(share, elapsed_s / *rule.timeout_s);
  return std::clamp(share, 0.0, 1.0);
}

}  // namespace convscale
