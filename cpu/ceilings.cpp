// SPDX-License-Identifier: Apache-2.0
#include "cpu/ceilings.hpp"

#include "common/host.hpp"
#include "common/summary.hpp"
#include "cpu/kernel_table.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace convscale {
namespace {

constexpr std::int64_t kLine = 64;
constexpr double kFmaPassSeconds = 1e-3;
constexpr std::int64_t kTrialRounds = 10000;
/// A small buffer is read several times, so that the clock does not matter.
constexpr std::int64_t kLeastReadBytes = 16 << 20;
/// What a worker reads between two looks for an interrupt: 1 GiB, some 0.1 s.
constexpr std::int64_t kPieceLines = (std::int64_t{1} << 30) / kLine;

}  // namespace

const CeilingLoops& supported_ceiling_loops() {
  const auto available = instruction_sets();
  for (const CeilingLoops* loops : cpu_ceiling_loops()) {
    if (missing_isa(loops->isa, available).empty()) return *loops;
  }
  return *cpu_ceiling_loops().back();
}

CeilingMeter::CeilingMeter(const CeilingLoops& loops, ThreadTeam& team, const std::byte* data,
                           std::int64_t bytes, Dtype dtype, std::function<Clock::time_point()> now,
                           std::function<bool()> stop)
    : loops_(loops),
      team_(team),
      data_(data),
      lines_(bytes / kLine),
      dtype_(dtype),
      now_(std::move(now)),
      stop_(std::move(stop)) {}

/// Runs `body(worker)` on the first `workers` of the team and measures the seconds from the first
/// one's begin to the last one's end: without the start of the team, and right also where workers
/// share a processor and so run one after another.
template <class Body>
CeilingMeter::Pass CeilingMeter::timed_on(int workers, Body&& body) {
  std::vector<Clock::time_point> begins(static_cast<std::size_t>(workers)), ends(begins);
  team_.run([&](int worker) {
    if (worker >= workers) return;
    begins[static_cast<std::size_t>(worker)] = now_();
    body(worker);
    ends[static_cast<std::size_t>(worker)] = now_();
  });
  const auto seconds = [](Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  Pass pass;
  pass.seconds = seconds(*std::max_element(ends.begin(), ends.end()) -
                         *std::min_element(begins.begin(), begins.end()));
  for (std::size_t worker = 0; worker < ends.size(); ++worker)
    pass.of_worker.push_back(seconds(ends[worker] - begins[worker]));
  return pass;
}

double CeilingMeter::read_pass(int streams) {
  const std::int64_t repeats = std::max<std::int64_t>(1, kLeastReadBytes / (lines_ * kLine));
  const auto readers = static_cast<int>(std::min<std::int64_t>(team_.size(), lines_));
  std::atomic<double> sink{0};  // keeps the sums, and so the loads, alive
  const Pass pass = timed_on(readers, [&](int worker) {
    const Range block = block_of(lines_, readers, worker);
    for (std::int64_t i = 0; i < repeats; ++i) {
      for (std::int64_t line = block.begin; line < block.end; line += kPieceLines) {
        if (line > block.begin && stop_()) return;  // a buffer that is read again is one piece
        const std::int64_t lines = std::min(kPieceLines, block.end - line);
        sink = loops_.read(data_ + line * kLine, lines * kLine, streams);
      }
    }
  });
  const auto bytes_of = [&](std::int64_t lines) {
    return static_cast<double>(repeats * lines * kLine);
  };
  if (stop_()) return 0;
  best_reads_per_s_.resize(pass.of_worker.size());
  for (std::size_t worker = 0; worker < pass.of_worker.size(); ++worker) {
    const Range block = block_of(lines_, readers, static_cast<std::int64_t>(worker));
    best_reads_per_s_[worker] =
        std::max(best_reads_per_s_[worker], bytes_of(block.size()) / pass.of_worker[worker]);
  }
  return bytes_of(lines_) / pass.seconds;
}

double CeilingMeter::fma_pass() {
  const auto loop = dtype_ == Dtype::kFloat64 ? loops_.fma_float64 : loops_.fma_float32;
  std::atomic<double> flops{0};
  const Pass pass = timed_on(team_.size(), [&](int) {
    if (!stop_()) flops += loop(fma_rounds_);  // thousands of workers take seconds
  });
  return flops / pass.seconds;
}

/// Which number of side-by-side sequences reads fastest depends on the processor's prefetchers, so
/// it is tried.
void CeilingMeter::calibrate() {
  constexpr int kPasses = 5;
  double best = 0;
  streams_ = 1;
  for (const int streams : {1, 2, 4, 8}) {
    if (lines_ == 0) break;
    std::array<double, kPasses> rates{};
    for (double& rate : rates) {
      if (stop_()) return;
      rate = read_pass(streams);
    }
    const double rate = median_of(rates);
    if (rate > best) {
      best = rate;
      streams_ = streams;
    }
  }
  // One round more or less does not matter: a pass is to be long against the clock and short
  // against an iteration.
  fma_rounds_ = kTrialRounds;
  double flops_per_s = 0;
  for (int pass = 0; pass < kPasses; ++pass) flops_per_s = std::max(flops_per_s, fma_pass());
  if (stop_()) return;
  const auto loop = dtype_ == Dtype::kFloat64 ? loops_.fma_float64 : loops_.fma_float32;
  const double flops_of_round = loop(1);
  fma_rounds_ =
      1 + static_cast<std::int64_t>(kFmaPassSeconds * flops_per_s / team_.size() / flops_of_round);
  for (int pass = 0; pass < kPasses; ++pass) {
    best_flops_per_s_ = std::max(best_flops_per_s_, fma_pass());
  }
}

Ceilings CeilingMeter::sample() {
  if (streams_ == 0) calibrate();
  Ceilings sample;
  best_flops_per_s_ = std::max(best_flops_per_s_, fma_pass());
  sample.peak_flops_per_s = best_flops_per_s_;
  if (lines_ > 0 && !stop_()) sample.read_bytes_per_s = read_pass(streams_);
  return sample;
}

}  // namespace convscale
