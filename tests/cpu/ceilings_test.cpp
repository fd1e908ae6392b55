// SPDX-License-Identifier: Apache-2.0
#include "cpu/ceilings.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <vector>

namespace convscale {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

std::atomic<Clock::rep> clock_ns{0};  // loops are plain functions
constexpr Clock::rep kLoopNs = 1'000'000;
constexpr double kFlops = 1e6;

Clock::time_point now() { return Clock::time_point(nanoseconds(clock_ns)); }

double take_the_processor(std::int64_t /*rounds*/) {
  clock_ns += kLoopNs;
  return kFlops;
}

/// Loops of workers that share one processor: the time that one takes passes for all of them.
constexpr CeilingLoops kLoops{"shared", 0,
                              [](const void*, std::int64_t, int) { return take_the_processor(1); },
                              take_the_processor, take_the_processor};

Ceilings ceilings_of(int workers, std::int64_t bytes) {
  const std::vector<std::byte> data(static_cast<std::size_t>(bytes));
  ThreadTeam team(workers);
  return CeilingMeter(kLoops, team, data.data(), bytes, Dtype::kFloat64, now).sample();
}

/// Workers that take turns on a processor do not add up to more than it can do.
TEST(CeilingMeter, PeakDoesNotGrowWithWorkersThatShareAProcessor) {
  for (const int workers : {1, 2, 8}) {
    EXPECT_DOUBLE_EQ(*ceilings_of(workers, 0).peak_flops_per_s, kFlops / (1e-9 * kLoopNs))
        << workers;
  }
}

TEST(CeilingMeter, ReadsDoNotGrowWithWorkersThatShareAProcessor) {
  constexpr std::int64_t kBytes = 1 << 20;  // of which each of `readers` reads its part at a time
  const auto rate_of = [](int readers) { return kBytes / (1e-9 * kLoopNs * readers); };
  for (const int workers : {1, 2, 8})
    EXPECT_DOUBLE_EQ(*ceilings_of(workers, kBytes).read_bytes_per_s, rate_of(workers)) << workers;
}

TEST(CeilingMeter, WorkersWithoutALineDoNotCount) {
  EXPECT_DOUBLE_EQ(*ceilings_of(8, 3 * 64).read_bytes_per_s, 64 / (1e-9 * kLoopNs));
  EXPECT_FALSE(ceilings_of(8, 63).read_bytes_per_s);
}

}  // namespace
}  // namespace convscale
