// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/iterations.hpp"

#include "common/bound.hpp"
#include "common/summary.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convscale {
namespace {

void append(std::vector<double>& samples, std::optional<double> value) {
  if (value) samples.push_back(*value);
}

std::optional<double> median_or_null(const std::vector<double>& samples) {
  return samples.empty() ? std::nullopt : std::optional(median_of(samples));
}

/// Of each rank the median over the iterations; null where it had no images.
std::vector<std::optional<double>> medians_of(
    const std::vector<RankTimes>& iterations,
    std::vector<std::optional<double>> RankTimes::*times) {
  std::vector<std::optional<double>> medians;
  for (std::size_t rank = 0; rank < (iterations.front().*times).size(); ++rank) {
    std::vector<double> of_rank;
    for (const RankTimes& iteration : iterations) append(of_rank, (iteration.*times)[rank]);
    medians.push_back(median_or_null(of_rank));
  }
  return medians;
}

RankFigures summarize_ranks(const std::vector<RankTimes>& iterations) {
  RankFigures figures;
  figures.run_s = medians_of(iterations, &RankTimes::run_s);
  figures.busy_s = medians_of(iterations, &RankTimes::busy_s);
  std::vector<double> barriers;
  for (const RankTimes& iteration : iterations) barriers.push_back(iteration.barrier_s);
  figures.barrier_s = median_of(barriers);
  for (std::size_t rank = 0; rank < figures.run_s.size(); ++rank) {
    const auto& time = figures.run_s[rank];
    if (!time) continue;
    if (*time < *figures.run_s[figures.fastest]) figures.fastest = rank;
    if (*time > *figures.run_s[figures.slowest]) figures.slowest = rank;
  }
  return figures;
}

}  // namespace

void Iterations::add(const Ceilings& ceilings) {
  best_peak_ = std::max(best_peak_, ceilings.peak_flops_per_s);  // null is the least
  for (std::size_t i = 0; i < ceilings_.size(); ++i) append(ceilings_[i], ceilings.*kCeilings[i]);
}

void Iterations::add_iteration(const Trace& trace, double time_s) {
  times_s_.push_back(time_s);
  if (trace.phases) {
    upload_s_.push_back(trace.phases->upload_s);
    kernel_s_.push_back(trace.phases->kernel_s);
    download_s_.push_back(trace.phases->download_s);
  }
  const std::vector<double>& busy = trace.busy_s;
  busy_s_.resize(busy.size());
  for (std::size_t worker = 0; worker < busy.size(); ++worker)
    busy_s_[worker].push_back(busy[worker]);
  if (!trace.rank_times) return;
  rank_times_.push_back(*trace.rank_times);
  const auto busiest = std::max_element(busy.begin(), busy.end());
  if (busiest != busy.end() && time_s > 0) communication_shares_.push_back(1 - *busiest / time_s);
}

void Iterations::check(const Digest& digest, const std::string& iteration) {
  if (digest.unwritten > 0) {
    failure_ = fmt::format("{} left {} outputs unwritten", iteration, digest.unwritten);
  } else if (digest_ && *digest_ != digest) {
    failure_ = fmt::format("{} has digest {:016x}, the ones before {:016x}", iteration,
                           digest.value, digest_->value);
  }
  digest_ = digest;
}

void Iterations::summarise(Record& record) const {
  record.burn_times_s = burn_times_s_;
  record.times_s = times_s_;
  if (digest_ && failure_.empty()) record.digest = digest_->value;
  if (times_s_.empty()) return;
  const Config& config = record.config;
  record.summary = summarize(times_s_);

  Ceilings ceilings;
  for (std::size_t i = 0; i < ceilings_.size(); ++i)
    ceilings.*kCeilings[i] = median_or_null(ceilings_[i]);
  // A pass that lost its processor is no peak.
  ceilings.peak_flops_per_s = record.facts.direct ? best_peak_ : std::nullopt;
  if (!config.work_time_s) {  // else the time is what was asked for, whatever the hardware allows
    record.bound = compute_bound(config.shape, config.method, config.dtype, record.facts.line_bytes,
                                 ceilings, record.facts.transfer);
  }
  if (record.bound) record.fraction = record.bound->time_s / record.summary->median;

  if (!kernel_s_.empty())
    record.phases = Phases{median_of(upload_s_), median_of(kernel_s_), median_of(download_s_)};
  if (!busy_s_.empty()) {
    std::vector<double> medians;
    for (const auto& of_worker : busy_s_) medians.push_back(median_of(of_worker));
    const auto [least, most] = std::minmax_element(medians.begin(), medians.end());
    record.workers = WorkerTimes{*least, *most};
  }
  if (!rank_times_.empty()) {
    record.rank_figures = summarize_ranks(rank_times_);
    record.rank_figures->communication_share = median_or_null(communication_shares_);
  }
}

}  // namespace convscale
