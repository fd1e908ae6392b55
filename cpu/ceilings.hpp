// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/bound.hpp"
#include "common/thread_team.hpp"
#include "common/vocabulary.hpp"
#include "cpu/row_kernel.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace convscale {

/// Measures what the memory and the arithmetic units give to a team of workers.
class CeilingMeter {
 public:
  using Clock = std::chrono::steady_clock;

  /// Reads will go over `bytes` at `data` (at a multiple of 64), evenly dealt to the workers of
  /// `team` in order; at most the last 63 bytes stay unread. All three outlive the meter. Once
  /// `stop` says yes, samples end early and mean nothing. Workers read the time from `now`; a test
  /// gives it.
  CeilingMeter(
      const CeilingLoops& loops, ThreadTeam& team, const std::byte* data, std::int64_t bytes,
      Dtype dtype, std::function<Clock::time_point()> now = Clock::now,
      std::function<bool()> stop = [] { return false; });

  /// One pass of each. The read bandwidth is that of the pass, null for a buffer under 64 bytes;
  /// the peak is the best of all passes so far, since one that lost its processor is no peak.
  Ceilings sample();

  double best_flops_per_s() const { return best_flops_per_s_; }
  /// The fastest that each of the workers that read has read its part.
  std::span<const double> best_reads_per_s() const { return best_reads_per_s_; }

 private:
  struct Pass {
    double seconds = 0;
    std::vector<double> of_worker;  // seconds
  };
  template <class Body>
  Pass timed_on(int workers, Body&& body);
  double read_pass(int streams);
  double fma_pass();
  void calibrate();

  const CeilingLoops& loops_;
  ThreadTeam& team_;
  const std::byte* data_;
  std::int64_t lines_;
  Dtype dtype_;
  std::function<Clock::time_point()> now_;
  std::function<bool()> stop_;
  int streams_ = 0;  // 0: not yet calibrated
  std::int64_t fma_rounds_ = 0;
  double best_flops_per_s_ = 0;
  std::vector<double> best_reads_per_s_;
};

/// The widest loops that this machine supports.
const CeilingLoops& supported_ceiling_loops();

}  // namespace convscale
