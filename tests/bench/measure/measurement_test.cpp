// SPDX-License-Identifier: Apache-2.0
// What depends on how long iterations take, with a clock that only they move.
#include "bench/measure/measurement.hpp"

#include "bench/backends.hpp"
#include "bench/cli/options.hpp"
#include "bench/measure/clocked.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace convscale {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using testing::clocked;
using testing::ClockedComm;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Le;
using ::testing::SizeIs;
using testing::Steps;

/// The records of the configurations of `args`. Whoever looks whether there was a signal takes
/// `look`.
std::vector<Record> measured(std::vector<std::string> args, const Steps& steps,
                             const std::function<void(ClockedComm&)>& look = {}) {
  args.insert(args.begin(), {"convscale", "--size", "20x30", "-w", "1"});
  const Options options = parse_options(args);
  const auto alone = make_self_comm();
  ClockedComm comm(*alone, {});
  return testing::measured(options.configs, options.interleave, clocked(backends(), steps, comm),
                           comm, [&] {
                             if (look) look(comm);
                           });
}

const Steps one_ms_an_image{
    .compute = [](const Config& config, int) { return milliseconds(config.shape.images); }};

const Steps one_and_three_ms{
    .compute = [](const Config&, int number) { return milliseconds(number % 2 == 0 ? 1 : 3); }};

/// Each step a time of its own. An iteration takes 3 ms to start, and runs on for 40, 50, 60, ...
Steps different_steps() {
  return {.create = milliseconds(1'000'000),
          .prepare = milliseconds(2'000'000),
          .load = milliseconds(4'000'000),
          .ceilings = milliseconds(10'000),
          .poison = milliseconds(200),
          .start = milliseconds(3),
          .inspect = milliseconds(1000),
          .finish = milliseconds(90'000'000),
          .compute = [](const Config&, int number) { return milliseconds(40 + 10 * number); }};
}

const std::vector<std::string> kThree{"--mem", "3000", "--iterations", "3", "--burns", "2"};

TEST(Clock, CoversStartAndWaitAndNothingElse) {
  const Record r = measured(kThree, different_steps()).front();
  EXPECT_THAT(r.burn_times_s, ElementsAre(0.043, 0.053));
  EXPECT_THAT(r.times_s, ElementsAre(0.063, 0.073, 0.083));
  EXPECT_EQ(r.stopped_by, StoppedBy::kIterations);
}

TEST(Clock, WhatIsNotTimedIsInItsOwnFigure) {
  const Record r = measured(kThree, different_steps()).front();
  EXPECT_DOUBLE_EQ(r.setup_s.value_or(0), 7000);
  EXPECT_DOUBLE_EQ(r.ceilings_s.value_or(0), 5 * 10);
  EXPECT_DOUBLE_EQ(r.checks_s.value_or(0), 5 * 1.2);
  EXPECT_FALSE(r.load_s.has_value());
  std::vector<std::string> args = kThree;
  args.insert(args.end(), {"--scope", "resident"});
  const Record resident = measured(args, different_steps()).front();
  EXPECT_DOUBLE_EQ(resident.load_s.value_or(0), 4000);
  EXPECT_DOUBLE_EQ(resident.setup_s.value_or(0), 7000) << "with the loading";
}

TEST(Clock, GenerationAndVerificationAreTheirOwn) {
  int looks = 0, generating = 0;
  Steps steps = different_steps();
  steps.compute = [&](const Config&, int number) {
    if (number == 0) generating = looks;
    return milliseconds(40);
  };
  const Record r = measured(kThree, steps, [&](ClockedComm& comm) {
                     ++looks;
                     comm.pass(milliseconds(7));
                   }).front();
  EXPECT_GT(generating, 0);
  EXPECT_GT(looks, generating);
  EXPECT_DOUBLE_EQ(r.generation_s.value_or(0), 0.007 * generating);
  EXPECT_DOUBLE_EQ(r.verification_s.value_or(0), 0.007 * (looks - generating));
  EXPECT_DOUBLE_EQ(r.setup_s.value_or(0), 7000) << "without the generation";
}

/// Makes its data itself, as a device does in scope resident.
class OwnData final : public testing::IdleBackend {
 public:
  OwnData(const Config& config, HostBuffers& seen) : seen_(seen) {
    needs_.images = {0, config.shape.images};
    needs_.reads_inputs = false;
  }
  void prepare(const HostBuffers& buffers) override { seen_ = buffers; }

 private:
  HostBuffers& seen_;
};

TEST(Measurement, InputsThatNobodyReadsAreNotMade) {
  for (const bool verify : {true, false}) {
    for (const bool saves : {true, false}) {
      HostBuffers seen;
      BackendTable table = backends();
      table.front().create = [&](const Config& config, const Assignment&) {
        return std::make_unique<OwnData>(config, seen);
      };
      // Zeros, which memory is made of, are the right results.
      std::vector<std::string> args{"convscale", "--size", "20x30", "--fill", "zeros"};
      if (!verify) args.emplace_back("--no-verify");
      const auto alone = make_self_comm();
      ClockedComm comm(*alone, {});
      const Record record = testing::measured(
                                parse_options(args).configs, false, table, comm, [] {}, saves)
                                .front();
      const bool are_read = verify || saves;
      EXPECT_EQ(seen.images != nullptr, are_read);
      EXPECT_EQ(seen.filters != nullptr, are_read);
      EXPECT_NE(seen.results, nullptr);
      EXPECT_EQ(record.generation_s.has_value(), are_read);
    }
  }
}

TEST(Measurement, OutOfTimeWhatIsLeftOfTheBurnsIsLeftOut) {
  const auto records =
      measured({"--mem", "30000", "--iterations", "9", "--burns", "5", "--timeout", "0.08"},
               one_ms_an_image);
  EXPECT_THAT(records[0].burn_times_s, SizeIs(2));
  EXPECT_THAT(records[0].times_s, SizeIs(1));
  EXPECT_EQ(records[0].stopped_by, StoppedBy::kTimeout);
}

TEST(Measurement, GoesOnUntilTheNoiseIsLow) {
  // The first six times are the least that have an interval.
  const auto alike =
      measured({"--mem", "600", "--iterations", "3", "--max-noise", "20%", "--timeout", "5"},
               one_ms_an_image);
  EXPECT_THAT(alike[0].times_s, SizeIs(6));
  EXPECT_EQ(alike[0].stopped_by, StoppedBy::kPrecision);
  EXPECT_EQ(alike[0].summary->noise(), 0);
}

TEST(Measurement, GoesOnUntilTheTimeIsUpWhereTheNoiseStaysHigh) {
  const auto records = measured({"--mem", "600", "--iterations", "3", "--burns", "0", "--max-noise",
                                 "20%", "--timeout", "0.0995"},
                                one_and_three_ms);
  EXPECT_THAT(records[0].times_s, SizeIs(50)) << "of 2 ms";
  EXPECT_EQ(records[0].stopped_by, StoppedBy::kTimeout);
  EXPECT_GT(records[0].summary->noise(), 0.2);
}

/// The workers' own clocks cannot be moved from here. An image takes `--work_time` at least, and no
/// worker is busy for longer than the iteration lasts.
TEST(BusyTimes, AreThoseOfTheWorkersOwnImages) {
  const Options options = parse_options({"convscale", "--size", "20x30", "--mem", "1800", "-w", "2",
                                         "--work_time", "0.03", "--kernel", "scalar"});
  const Config& config = options.configs.front();
  const auto backend = backends().front().create(config, {});
  const Shape& s = config.shape;
  ASSERT_EQ(s.images, 3);
  std::vector<double> images(static_cast<std::size_t>(s.images * s.pixels())),
      filters(static_cast<std::size_t>(s.images * s.taps())),
      results(static_cast<std::size_t>(s.images * s.outputs()));
  const auto bytes = [](std::vector<double>& data) {
    return reinterpret_cast<std::byte*>(data.data());
  };
  backend->prepare({bytes(images), bytes(filters), bytes(results)});
  for (int iteration = 0; iteration < 2; ++iteration) {
    backend->poison();
    const auto begin = testing::Clock::now();
    backend->wait(backend->start({0, 3}));
    const double lasted_s = std::chrono::duration<double>(testing::Clock::now() - begin).count();
    const std::vector<double> busy_s = backend->inspect(true).busy_s;
    ASSERT_THAT(busy_s, SizeIs(2));
    EXPECT_GE(busy_s[0], 0.06) << "two images";
    EXPECT_GE(busy_s[1], 0.03);
    EXPECT_THAT(busy_s, Each(Le(lasted_s)));
  }
}

TEST(Interleave, AllRowsHaveTheSameNumberOfTimes) {
  const auto records = measured({"--mem", "600,3000", "--iterations", "2", "--burns", "0",
                                 "--min-time", "0.0095", "--interleave"},
                                one_ms_an_image);
  EXPECT_THAT(records[0].times_s, SizeIs(10)) << "the smaller needs more to reach its time";
  EXPECT_THAT(records[1].times_s, SizeIs(10));
  EXPECT_EQ(records[0].stopped_by, StoppedBy::kPrecision);
  EXPECT_EQ(records[1].stopped_by, StoppedBy::kIterations) << "two were enough for it";
}

TEST(Interleave, ARowOutOfTimeDropsOut) {
  // The larger takes 50 ms an iteration, the smaller goes on for a hundred of its 1 ms.
  // The time is up for the larger before its last burn.
  const auto records = measured({"--mem", "600,30000", "--iterations", "2", "--burns", "4",
                                 "--min-time", "0.0995", "--timeout", "0.12", "--interleave"},
                                one_ms_an_image);
  EXPECT_THAT(records[0].times_s, SizeIs(100));
  EXPECT_THAT(records[1].times_s, SizeIs(1));
  EXPECT_EQ(records[0].stopped_by, StoppedBy::kPrecision);
  EXPECT_EQ(records[1].stopped_by, StoppedBy::kTimeout);
  EXPECT_THAT(records[0].burn_times_s, SizeIs(4));
  EXPECT_THAT(records[1].burn_times_s, SizeIs(4)) << "all burn the same, late or not";
}

}  // namespace
}  // namespace convscale
