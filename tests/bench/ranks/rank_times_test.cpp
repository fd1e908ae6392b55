// SPDX-License-Identifier: Apache-2.0
// Times of several ranks, each with a clock of its own.
#include "bench/measure/clocked.hpp"
#include "bench/outcome.hpp"
#include "bench/ranks/thread_comm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convscale {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::Each;
using Json = nlohmann::json;
using testing::ClockedComm;
using testing::Outcome;
using testing::Steps;

/// Of a rank that takes `start_ms` to start an iteration and then computes for `compute_ms`.
Steps steps_of(int start_ms, int compute_ms) {
  return {.ceilings = milliseconds(500),
          .poison = milliseconds(70),
          .start = milliseconds(start_ms),
          .inspect = milliseconds(300),
          .compute = [=](const Config&, int) { return milliseconds(compute_ms); }};
}

constexpr ClockedComm::Costs kCosts{.barrier = microseconds(250),
                                    .message = microseconds(1500),
                                    .scatter = microseconds(2000),
                                    .gather = microseconds(500)};

/// The record of nine images that `steps` of each rank share.
Json record_of(const std::vector<Steps>& steps, const std::string& distribute) {
  const std::vector<std::string> args{
      "convscale", "--size",       "20x30", "--mem",        "5400",     "-w",     "3", "--burns",
      "1",         "--iterations", "3",     "--distribute", distribute, "--json", "-"};
  const auto outcomes = testing::run_as_ranks<Outcome>(3, [&](Comm& threads) {
    ClockedComm comm(threads, kCosts);
    std::ostringstream out, err;
    const auto rank = static_cast<std::size_t>(threads.rank());
    const BackendTable table = testing::clocked(backends(), steps[rank], comm);
    const int code = run_program(args, table, comm, out, err);
    return Outcome{code, out.str(), err.str()};
  });
  EXPECT_EQ(outcomes.front().code, 0) << outcomes.front().err;
  return testing::record_of(outcomes.front().out);
}

std::vector<double> run_times(const Json& record) {
  std::vector<double> times;
  for (const Json& rank : record.at("per_rank")) times.push_back(rank.at("run_s"));
  return times;
}

TEST(RankTimes, AnIterationLastsUntilTheLastRankIsDone) {
  const Json r = record_of({steps_of(1, 10), steps_of(2, 20), steps_of(3, 15)}, "local");
  EXPECT_THAT(r.at("times_s").get<std::vector<double>>(), Each(0.02225)) << "and the barrier";
  EXPECT_THAT(r.at("burn_times_s").get<std::vector<double>>(), Each(0.02225));
  EXPECT_EQ(run_times(r), (std::vector{0.011, 0.022, 0.018}));
  EXPECT_EQ(r.at("fastest_rank").at("rank"), 0);
  EXPECT_EQ(r.at("slowest_rank").at("rank"), 1);
  EXPECT_EQ(r.at("slowest_rank").at("run_s"), 0.022);
  EXPECT_EQ(r.at("barrier_s"), 0.00025);
  // Two barriers are part of the poisoning, one of the ceilings.
  EXPECT_DOUBLE_EQ(r.at("checks_s").get<double>(), 4 * 0.3705);
  EXPECT_DOUBLE_EQ(r.at("ceilings_s").get<double>(), 4 * 0.50025);
}

TEST(RankTimes, TheFirstRankIsNotSpared) {
  const Json r = record_of({steps_of(2, 30), steps_of(1, 20), steps_of(1, 15)}, "local");
  EXPECT_THAT(r.at("times_s").get<std::vector<double>>(), Each(0.03225));
  EXPECT_EQ(r.at("slowest_rank").at("rank"), 0);
  EXPECT_EQ(r.at("fastest_rank").at("rank"), 2);
}

TEST(RankTimes, WithMessagesTheirWayIsPartOfTheIteration) {
  // A chunk leaves when rank 0 has started (1 ms), and is 1.5 ms on its way, as its results are.
  const Json r = record_of({steps_of(1, 10), steps_of(2, 20), steps_of(3, 40)}, "scatter");
  EXPECT_THAT(r.at("times_s").get<std::vector<double>>(), Each(0.04725));
  EXPECT_EQ(run_times(r)[1], 0.0245);
  EXPECT_EQ(run_times(r)[2], 0.0455);
}

TEST(RankTimes, ARankIsDoneWhenItsOwnPartIs) {
  const Json r = record_of({steps_of(1, 60), steps_of(2, 20), steps_of(3, 40)}, "scatter");
  EXPECT_THAT(r.at("times_s").get<std::vector<double>>(), Each(0.06125));
  EXPECT_EQ(run_times(r), (std::vector{0.061, 0.0245, 0.0455}));
}

TEST(RankTimes, TheNetworksRatesAreOfTheBareExchange) {
  const Json bound =
      record_of({steps_of(1, 10), steps_of(2, 20), steps_of(3, 40)}, "scatter").at("bound");
  // Six of the nine images go out, by messages, and their results come back in one call.
  const double out = 6 * 20 * 30 * 8, back = 6 * 5 * 7 * 8;
  EXPECT_DOUBLE_EQ(bound.at("scatter_bytes_per_s").get<double>(), out / 0.0015);
  EXPECT_DOUBLE_EQ(bound.at("gather_bytes_per_s").get<double>(), back / 0.0005);
}

TEST(RankTimes, RatesOfTheRanksAddUp) {
  std::vector<Steps> steps{steps_of(1, 10), steps_of(2, 20), steps_of(3, 15)};
  for (std::size_t rank = 0; rank < steps.size(); ++rank) {
    const double share = rank == 0 ? 1 : rank == 1 ? 2 : 4;
    steps[rank].rates = {.read_bytes_per_s = 1e9 * share,
                         .copy_bytes_per_s = 1e4 * share,
                         .peak_flops_per_s = 1e8 * share,
                         .up_bytes_per_s = 1e7 * share,
                         .down_bytes_per_s = 1e6 * share,
                         .duplex_bytes_per_s = 1e5 * share};
    steps[rank].busy_s = {0.005 * share};
  }
  const Json r = record_of(steps, "local");
  const Json& bound = r.at("bound");
  EXPECT_EQ(bound.at("read_bytes_per_s"), 7e9);
  EXPECT_EQ(bound.at("copy_bytes_per_s"), 7e4);
  EXPECT_EQ(bound.at("peak_flops_per_s"), 7e8);
  EXPECT_EQ(bound.at("up_bytes_per_s"), 7e7);
  EXPECT_EQ(bound.at("down_bytes_per_s"), 7e6);
  EXPECT_EQ(bound.at("duplex_bytes_per_s"), 7e5);
  for (std::size_t rank = 0; rank < steps.size(); ++rank)
    EXPECT_EQ(r.at("per_rank")[rank].at("busy_s"), steps[rank].busy_s[0]);
  EXPECT_EQ(r.at("workers").at("busy_min_s"), 0.005);
  EXPECT_EQ(r.at("workers").at("busy_max_s"), 0.02);
  EXPECT_DOUBLE_EQ(r.at("communication_share").get<double>(), 1 - 0.02 / 0.02225);
}

}  // namespace
}  // namespace convscale
