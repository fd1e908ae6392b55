// SPDX-License-Identifier: Apache-2.0
// What an interrupt leaves of a measurement.
#include "bench/backends.hpp"
#include "bench/cli/options.hpp"
#include "bench/measure/runner.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

namespace convscale {
namespace {

using ::testing::SizeIs;

/// The CPU's backend, interrupted at one of its steps; as its contract allows, from then on it
/// leaves undone what it is to do.
class InterruptedBackend final : public Backend {
 public:
  /// `moment` is a step and which one of its kind, such as "start 3".
  InterruptedBackend(std::unique_ptr<Backend> backend, std::string moment, bool& signalled)
      : backend_(std::move(backend)), moment_(std::move(moment)), signalled_(signalled) {}

  BackendFacts facts() const override { return backend_->facts(); }
  std::int64_t scratch_bytes() const override { return backend_->scratch_bytes(); }
  void stop_when(std::function<bool()> stop) override { stop_ = std::move(stop); }
  void prepare(const HostBuffers& buffers) override {
    backend_->prepare(buffers);
    is_to_stop("prepare");
  }
  void load() override { is_to_stop("load"); }
  Ceilings measure_ceilings() override {
    if (is_to_stop("ceilings")) return {.read_bytes_per_s = 1};
    return backend_->measure_ceilings();
  }
  void poison() override { backend_->poison(); }
  void start(Range range) override {
    if (is_to_stop("start")) return;
    backend_->start(range);
    backend_->wait(range);
  }
  void wait(Range) override { is_to_stop("wait"); }
  Digest digest() override { return backend_->digest(); }

 private:
  bool is_to_stop(const std::string& step) {
    if (fmt::format("{} {}", step, ++times_[step]) == moment_) signalled_ = true;
    return stop_();
  }

  std::unique_ptr<Backend> backend_;
  std::string moment_;
  bool& signalled_;
  std::function<bool()> stop_;
  std::map<std::string, int> times_;
};

/// The record of a run that is interrupted at `moment`.
Record interrupted_at(const std::string& moment) {
  const Options options =
      parse_options({"convscale", "--size", "20x30", "--mem", "3000", "-w", "1", "--burns", "1"});
  bool signalled = false;
  BackendTable table = backends();
  table.front().create = [&, create = table.front().create](const Config& config) {
    return std::make_unique<InterruptedBackend>(create(config), moment, signalled);
  };
  const auto comm = make_self_comm();
  const auto is_signalled = [&] { return signalled; };
  Ranks ranks(*comm, is_signalled);
  ThreadTeam helpers(1);
  InputCache inputs;
  std::ostringstream terminal;
  Progress progress(terminal, false);
  const MeasureContext context{.backends = table,
                               .helpers = helpers,
                               .inputs = inputs,
                               .progress = progress,
                               .ranks = ranks,
                               .signalled = is_signalled,
                               .on_results = [](const Config&, Range, const HostBuffers&) {
                                 ADD_FAILURE() << "what is not whole is not saved";
                               }};
  const Config& config = options.configs.front();
  const Outcome outcome =
      measure(config, Workload(config.shape, config.fill, config.seed), context);
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
