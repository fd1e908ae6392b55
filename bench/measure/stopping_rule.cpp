// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/stopping_rule.hpp"

#include "common/summary.hpp"

#include <algorithm>

namespace convscale {

StoppingRule::StoppingRule(const Config& config)
    : burns_asked_(config.burns),
      least_(static_cast<std::size_t>(config.iterations)),
      rule_(config.stop),
      next_look_(std::max<std::size_t>(least_, 6)) {}  // the fewest times that have an interval

void StoppingRule::add(double time_s, double elapsed_s) {
  times_s_.push_back(time_s);
  sum_s_ += time_s;
  elapsed_s_ = elapsed_s;
  if (stopped_) return;
  if (is_enough()) {
    stopped_ = times_s_.size() == least_ ? StoppedBy::kIterations : StoppedBy::kPrecision;
  } else if (is_out_of_time()) {
    stopped_ = StoppedBy::kTimeout;
  }
}

bool StoppingRule::is_out_of_time() const {
  return rule_.timeout_s && elapsed_s_ >= *rule_.timeout_s && !times_s_.empty();
}

bool StoppingRule::is_enough() {
  if (times_s_.size() < least_ || (rule_.min_time_s && sum_s_ < *rule_.min_time_s)) return false;
  if (!rule_.max_noise) return true;
  if (times_s_.size() < next_look_) return false;
  next_look_ = times_s_.size() + std::max<std::size_t>(1, times_s_.size() / 10);
  noise_ = noise_of(interval_of_median(times_s_), median_of(times_s_));
  return noise_ && *noise_ <= *rule_.max_noise;
}

double StoppingRule::done_share() const {
  double share = static_cast<double>(burns_) + static_cast<double>(times_s_.size());
  share /= burns_asked_ + static_cast<double>(least_);
  if (rule_.min_time_s && *rule_.min_time_s > 0)
    share = std::min(share, sum_s_ / *rule_.min_time_s);
  if (rule_.max_noise) {
    // An interval shrinks with the root of the number of samples.
    const double ratio = noise_ && *noise_ > 0 ? *rule_.max_noise / *noise_ : noise_ ? 1.0 : 0.0;
    share = std::min(share, ratio * ratio);
  }
  if (rule_.timeout_s && *rule_.timeout_s > 0)
    share = std::max(share, elapsed_s_ / *rule_.timeout_s);
  return std::clamp(share, 0.0, 1.0);
}

}  // namespace convscale
