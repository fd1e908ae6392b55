// SPDX-License-Identifier: Apache-2.0
// What an interrupt leaves of a measurement.
#include "bench/backends.hpp"
#include "bench/cli/options.hpp"
#include "bench/measure/clocked.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace convscale {
namespace {

using ::testing::SizeIs;

/// The CPU's backend, interrupted at one of its steps; as its contract allows, from then on it
/// leaves undone what it is to do.
class InterruptedBackend final : public testing::BackendAround {
 public:
  /// `moment` is a step and which one of its kind, such as "start 3".
  InterruptedBackend(std::unique_ptr<Backend> backend, std::function<bool()> stop,
                     std::string moment, bool& signalled)
      : BackendAround(std::move(backend)),
        stop_(std::move(stop)),
        moment_(std::move(moment)),
        signalled_(signalled) {}

  void prepare(const HostBuffers& buffers) override {
    BackendAround::prepare(buffers);
    is_to_stop("prepare");
  }
  void load() override { is_to_stop("load"); }
  Ceilings measure_ceilings() override {
    if (is_to_stop("ceilings")) return {.read_bytes_per_s = 1};
    return BackendAround::measure_ceilings();
  }
  Ticket start(Range images) override {
    if (is_to_stop("start")) return 0;
    const Ticket ticket = BackendAround::start(images);
    BackendAround::wait(ticket);
    return ticket;
  }
  void wait(Ticket) override { is_to_stop("wait"); }

 private:
  bool is_to_stop(const std::string& step) {
    if (fmt::format("{} {}", step, ++times_[step]) == moment_) signalled_ = true;
    EXPECT_EQ(stop_(), signalled_) << "those who work for it are told";
    return signalled_;
  }

  std::function<bool()> stop_;
  std::string moment_;
  bool& signalled_;
  std::map<std::string, int> times_;
};

/// The record of a run that is interrupted at `moment`.
Record interrupted_at(const std::string& moment) {
  const Options options =
      parse_options({"convscale", "--size", "20x30", "--mem", "3000", "-w", "1", "--burns", "1"});
  bool signalled = false;
  BackendTable table = backends();
  table.front().create = [&, create = table.front().create](const Config& config,
                                                            const Assignment& assignment) {
    return std::make_unique<InterruptedBackend>(create(config, assignment), assignment.stop, moment,
                                                signalled);
  };
  const auto comm = make_self_comm();
  Ranks ranks(*comm, [&] { return signalled; });
  const Outcome outcome =
      testing::outcomes_of(options.configs, table, ranks, false, false, [](auto&&...) {
        ADD_FAILURE() << "what is not whole is not saved";
      }).front();
  EXPECT_TRUE(signalled);
  EXPECT_EQ(outcome.code, ExitCode::kInterrupted) << outcome.record.reason;
  EXPECT_EQ(outcome.record.status, Status::kInterrupted);
  EXPECT_EQ(outcome.record.verification.status, VerificationStatus::kSkipped);
  return outcome.record;
}

TEST(InterruptedMeasurement, AnIterationThatIsNotWholeIsNoSampleAndNoWrongResult) {
  // The first is a burn.
  for (const char* moment : {"ceilings 4", "start 4", "wait 4"}) {
    const Record record = interrupted_at(moment);
    EXPECT_THAT(record.times_s, SizeIs(2)) << moment;
    EXPECT_THAT(record.burn_times_s, SizeIs(1)) << moment;
    EXPECT_TRUE(record.digest) << moment;
    ASSERT_TRUE(record.bound) << moment;
    EXPECT_GT(record.bound->ceilings.read_bytes_per_s, 1e6) << moment;
  }
}

TEST(InterruptedMeasurement, BeforeTheFirstIterationLeavesNoFigure) {
  for (const char* moment : {"prepare 1", "load 1", "ceilings 1", "start 1"}) {
    const Record record = interrupted_at(moment);
    EXPECT_THAT(record.times_s, SizeIs(0)) << moment;
    EXPECT_FALSE(record.summary) << moment;
    EXPECT_FALSE(record.digest) << moment;
  }
}

}  // namespace
}  // namespace convscale
