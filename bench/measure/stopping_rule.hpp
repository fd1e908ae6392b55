// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/report/record.hpp"
#include "common/config.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace convscale {

/// Decides when a measurement has enough iterations. Cheap enough to be asked after each of them.
class StoppingRule {
 public:
  /// Takes the configuration's iterations and stop rule.
  explicit StoppingRule(const Config& config);

  /// `time_s` is that of the last iteration, `elapsed_s` since the measurement began, with what is
  /// done between the iterations.
  void add_burn(double elapsed_s) { ++burns_, elapsed_s_ = elapsed_s; }
  void add(double time_s, double elapsed_s);

  /// Why no more iterations are needed; null while they are. It stays once it is known.
  std::optional<StoppedBy> stopped() const { return stopped_; }
  /// The timeout has passed, whether the iterations were enough or not, and there is a time.
  bool is_out_of_time() const;
  /// About how much is done, 0..1, for a progress bar.
  double done_share() const;

 private:
  bool is_enough();

  const int burns_asked_;
  const std::size_t least_;
  const StopRule rule_;
  std::vector<double> times_s_;
  double sum_s_ = 0, elapsed_s_ = 0;
  int burns_ = 0;
  // The noise is looked at after growing numbers of iterations only: sorting each time would cost
  // more than the iterations, and the first interval of many that is narrow by chance is no
  // interval of 95 %.
  std::size_t next_look_ = 0;
  std::optional<double> noise_;  // at the last look
  std::optional<StoppedBy> stopped_;
};

}  // namespace convscale
