// SPDX-License-Identifier: Apache-2.0
#include "cpu/ceilings.hpp"

#include "common/host.hpp"
#include "common/summary.hpp"
#include "cpu/kernel_table.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

namespace convscale {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kLine = 64;
constexpr double kFmaPassSeconds = 1e-3;
constexpr std::int64_t kLeastReadBytes = 16 << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

const CeilingLoops& supported_ceiling_loops() {
  const auto available = instruction_sets();
  for (const CeilingLoops* loops : cpu_ceiling_loops()) {
    if (missing_isa(loops->isa, available).empty()) return *loops;
  }
  return *cpu_ceiling_loops().back();
}

CeilingMeter::CeilingMeter(const CeilingLoops& loops, ThreadTeam& team, const std::byte* data,
                           std::int64_t bytes, Dtype dtype)
    : loops_(loops), team_(team), data_(data), lines_(bytes / kLine), dtype_(dtype) {}

double CeilingMeter::read_pass(int streams) {
  // A small buffer is read several times, or the start of the team would be measured instead.
  const std::int64_t repeats = std::max<std::int64_t>(1, kLeastReadBytes / (lines_ * kLine));
  std::atomic<double> sink{0};  // keeps the sums, and so the loads, alive
  const auto start = Clock::now();
  team_.for_each_block(lines_, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < repeats; ++i) {
      sink = loops_.read(data_ + begin * kLine, (end - begin) * kLine, streams);
    }
  });
  return static_cast<double>(repeats * lines_ * kLine) / seconds_since(start);
}

double CeilingMeter::fma_pass() {
  const auto loop = dtype_ == Dtype::kFloat64 ? loops_.fma_float64 : loops_.fma_float32;
  std::atomic<double> flops{0};
  const auto start = Clock::now();
  team_.run([&](int) { flops += loop(fma_rounds_); });
  const double pass_s = seconds_since(start);
  flops_of_pass_ = flops;
  return flops_of_pass_ / pass_s;
}

/// Which number of side-by-side sequences reads fastest depends on the processor's prefetchers, so
/// it is tried.
void CeilingMeter::calibrate() {
  constexpr int kPasses = 3;
  double best = 0;
  streams_ = 1;
  for (const int streams : {1, 2, 4, 8}) {
    if (lines_ == 0) break;
    std::array<double, kPasses> rates{};
    for (double& rate : rates) rate = read_pass(streams);
    const double rate = median_of(rates);
    if (rate > best) {
      best = rate;
      streams_ = streams;
    }
  }
  // The least of several passes, so that one that lost its processor for a while does not count.
  fma_rounds_ = 1000;
  for (double pass_s = 0; pass_s < kFmaPassSeconds / 2;) {
    const std::int64_t rounds = fma_rounds_;
    double flops_per_s = 0;
    for (int pass = 0; pass < kPasses; ++pass) flops_per_s = std::max(flops_per_s, fma_pass());
    pass_s = flops_of_pass_ / flops_per_s;
    fma_rounds_ = static_cast<std::int64_t>(static_cast<double>(rounds) *
                                            std::clamp(kFmaPassSeconds / pass_s, 1.0, 16.0));
  }
}

Ceilings CeilingMeter::sample() {
  if (streams_ == 0) calibrate();
  Ceilings sample;
  sample.peak_flops_per_s = fma_pass();
  if (lines_ > 0) sample.read_bytes_per_s = read_pass(streams_);
  return sample;
}

}  // namespace convscale
