// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/report/record.hpp"
#include "common/backend.hpp"
#include "common/digest.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace convscale {

/// What the iterations of one configuration leave.
class Iterations {
 public:
  void add(const Ceilings& ceilings);
  void add_burn(double time_s) { burn_times_s_.push_back(time_s); }
  /// A measured iteration.
  void add_iteration(const Trace& trace, double time_s);
  /// Compares an iteration's digest with the ones before; `iteration` names it in a failure.
  void check(const Digest& digest, const std::string& iteration);

  const std::vector<double>& times_s() const { return times_s_; }
  int iterations() const { return static_cast<int>(burn_times_s_.size() + times_s_.size()); }
  /// An iteration whose results cannot be right; empty if there is none.
  const std::string& failure() const { return failure_; }
  bool has_results() const { return digest_.has_value(); }

  /// Fills what follows from the samples: times, figures, bound, phases, workers, digest.
  void summarise(Record& record) const;

 private:
  std::vector<double> burn_times_s_, times_s_;
  std::array<std::vector<double>, kCeilings.size()> ceilings_;  // of each of kCeilings
  std::optional<double> best_peak_;
  std::vector<double> upload_s_, kernel_s_, download_s_;
  std::vector<std::vector<double>> busy_s_;  // of each worker
  std::vector<RankTimes> rank_times_;
  std::vector<double> communication_shares_;
  std::optional<Digest> digest_;
  std::string failure_;
};

}  // namespace convscale
