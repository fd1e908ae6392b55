// SPDX-License-Identifier: Apache-2.0
// What depends on how long iterations take, with a clock that only they move.
#include "bench/measurement.hpp"

#include "bench/backends.hpp"
#include "bench/options.hpp"
#include "bench/runner.hpp"
#include "common/thread_team.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::SizeIs;
using Clock = std::chrono::steady_clock;

/// How long an iteration of a configuration takes; its first one is number 0.
using IterationTime = std::function<milliseconds(const Config&, int number)>;

/// The CPU's backend, whose iterations move `clock` by what they are said to take.
class ClockedBackend final : public Backend {
 public:
  ClockedBackend(std::unique_ptr<Backend> backend, Config config, IterationTime time,
                 Clock::time_point& clock)
      : backend_(std::move(backend)),
        config_(std::move(config)),
        time_(std::move(time)),
        clock_(clock) {}

  BackendFacts facts() const override { return backend_->facts(); }
  std::int64_t scratch_bytes() const override { return backend_->scratch_bytes(); }
  std::optional<std::string> placement() const override { return backend_->placement(); }
  void prepare(const HostBuffers& buffers) override { backend_->prepare(buffers); }
  Ceilings measure_ceilings() override { return {}; }
  void poison() override { backend_->poison(); }
  void start(ImageRange range) override { backend_->start(range); }
  void wait(ImageRange range) override {
    backend_->wait(range);
    clock_ += time_(config_, iteration_++);
  }
  Digest digest() override { return backend_->digest(); }

 private:
  std::unique_ptr<Backend> backend_;
  Config config_;
  IterationTime time_;
  Clock::time_point& clock_;
  int iteration_ = 0;
};

/// The records of the configurations of `args`, measured in turn if they say so.
std::vector<Record> measured(std::vector<std::string> args, const IterationTime& time) {
  args.insert(args.begin(), {"convscale", "--size", "20x30", "-w", "1"});
  const Options options = parse_options(args);
  Clock::time_point clock;
  BackendTable table = backends();
  table.front().create = [&, create = table.front().create](const Config& config) {
    return std::make_unique<ClockedBackend>(create(config), config, time, clock);
  };
  const auto comm = make_self_comm();
  Ranks ranks(*comm, [] { return false; });
  ThreadTeam helpers(1);
  InputStore inputs;
  std::ostringstream terminal;
  Progress progress(terminal, false);
  const RunContext context{.backends = table,
                           .helpers = helpers,
                           .inputs = inputs,
                           .progress = progress,
                           .ranks = ranks,
                           .signalled = [] { return false; },
                           .on_results = [](const Config&, ImageRange, const HostBuffers&) {},
                           .now = [&clock] { return clock; }};
  const auto workload_of = [](const Config& config) {
    return Workload(config.shape, config.fill, config.seed);
  };
  std::vector<Outcome> outcomes;
  if (options.interleave) {
    outcomes = measure_interleaved(options.configs, workload_of, context);
  } else {
    for (const Config& config : options.configs)
      outcomes.push_back(measure(config, workload_of(config), context));
  }
  std::vector<Record> records;
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.record.reason;
    records.push_back(outcome.record);
  }
  return records;
}

milliseconds one_ms_an_image(const Config& config, int /*number*/) {
  return milliseconds(config.shape.images);
}

milliseconds one_and_three_ms(const Config& /*config*/, int number) {
  return milliseconds(number % 2 == 0 ? 1 : 3);
}

TEST(Measurement, TimesAreThoseOfTheIterations) {
  const auto records =
      measured({"--mem", "3000", "--iterations", "3", "--burns", "2"}, one_ms_an_image);
  EXPECT_THAT(records[0].times_s, AllOf(SizeIs(3), Each(0.005)));
  EXPECT_THAT(records[0].burn_times_s, AllOf(SizeIs(2), Each(0.005)));
  EXPECT_EQ(records[0].stopped_by, StoppedBy::kIterations);
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
