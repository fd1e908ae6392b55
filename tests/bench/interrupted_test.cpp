// SPDX-License-Identifier: Apache-2.0
// What an interrupted run prints, with signals that come at known places.
#include "bench/measure/clocked.hpp"
#include "bench/outcome.hpp"
#include "bench/session.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

namespace convscale {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;
using testing::ClockedComm;
using testing::Outcome;
using testing::Steps;
using testing::TemporaryFolder;

/// Rows of ten iterations of 20 ms, with a signal in iteration `in_iteration` (from 0 on, burns
/// included) of row `in_row` (from 1 on), which is then no sample.
Outcome interrupted(std::vector<std::string> args, int in_row, int in_iteration) {
  args.insert(args.begin(), {"convscale", "--size", "20x30", "--mem", "3000", "-w", "1", "--burns",
                             "1", "--kernel", "scalar"});
  const auto alone = make_self_comm();
  ClockedComm comm(*alone, {});
  bool has_come = false;
  int row = 0;
  Steps steps;
  steps.compute = [&](const Config&, int iteration) {
    if (iteration == 0) ++row;
    has_come = has_come || (row == in_row && iteration == in_iteration);
    return milliseconds(20);
  };
  const BackendTable table = testing::clocked(backends(), steps, comm);
  Ranks ranks(comm, [&] { return has_come; });
  const Options options = parse_options(args);
  std::ostringstream out, err;
  const ExitCode code = Session(args, options, table, ranks, out, err).run();
  return {static_cast<int>(code), out.str(), err.str()};
}

constexpr int kBurns = 1;

TEST(Interrupted, ARowShowsWhatItHasAndNothingOfAWhole) {
  const TemporaryFolder folder;
  const Outcome run =
      interrupted({"--json", folder / "a.json", "--csv", folder / "a.csv"}, 1, kBurns + 2);
  EXPECT_EQ(run.code, 130);
  EXPECT_THAT(run.err, HasSubstr("convscale: interrupted by a signal\n"));
  EXPECT_THAT(run.out, StartsWith("Number of workers: 1\nNumber of images: 5\n\nbackend  "));
  EXPECT_THAT(run.out, AllOf(HasSubstr(" status       "), HasSubstr("  interrupted  20.00 ms  ")));
  EXPECT_TRUE(
      run.out.ends_with("\n\nInterrupted: after 2 of 10 iterations; not verified, no FOM\n"))
      << run.out;
  for (const char* whole : {"FOM:", "Verification:", "passed", "Average time", "deviation"})
    EXPECT_THAT(run.out, Not(HasSubstr(whole)));

  const Json document = Json::parse(testing::read_text(folder / "a.json"));
  EXPECT_EQ(document["interrupted"], true);
  const Json& record = document["records"][0];
  EXPECT_EQ(record["status"], "interrupted");
  EXPECT_EQ(record["times_s"], (std::vector{0.02, 0.02}));
  EXPECT_EQ(record["median_s"], 0.02);
  EXPECT_EQ(record["images_per_s"], 250);
  EXPECT_TRUE(record["stopped_by"].is_null());
  EXPECT_EQ(record["verification"]["status"], "skipped");
  EXPECT_THAT(testing::read_text(folder / "a.csv"), HasSubstr("\ninterrupted,"));
}

TEST(Interrupted, QuietSaysItToo) {
  EXPECT_EQ(interrupted({"--quiet"}, 1, kBurns + 2).out,
            "Number of workers: 1\nNumber of images: 5\n"
            "Interrupted: after 2 of 10 iterations; not verified, no FOM\n");
}

TEST(Interrupted, IterationsMayBeAnyNumberWhereARuleAsksForMore) {
  EXPECT_THAT(interrupted({"--min-time", "9"}, 1, kBurns + 30).out,
              HasSubstr("\nInterrupted: after 30 iterations; not verified, no FOM\n"));
}

TEST(Interrupted, OfAListTheWholeRowsAreAsEver) {
  const Outcome run = interrupted({"--dtype", "float64,float32,float64", "--yes"}, 2, kBurns + 6);
  EXPECT_EQ(run.code, 130);
  EXPECT_THAT(run.err, AllOf(HasSubstr("convscale: row 2: interrupted by a signal\n"),
                             HasSubstr("convscale: rows not begun: 1 of 3\n")));
  const std::string verdicts = run.out.substr(run.out.find("\nVerification"));
  EXPECT_THAT(verdicts, AllOf(HasSubstr("\nVerification: passed"), HasSubstr(" (row 1)\nFOM: ")));
  EXPECT_TRUE(verdicts.ends_with(
      " (row 1)\nInterrupted: after 6 of 10 iterations; not verified, no FOM (row 2)\n"))
      << verdicts;
  // Nothing is compared with a row that is not whole.
  EXPECT_THAT(run.out, HasSubstr("  -            20.00 ms  "));
  EXPECT_THAT(run.out, HasSubstr("  interrupted  20.00 ms  "));
  EXPECT_THAT(run.out, ::testing::ContainsRegex("\n  2  cpu .* interrupted .* -\n"));
  EXPECT_THAT(run.out, ::testing::ContainsRegex("\n  1  cpu .* 1\\.00\n"));
}

TEST(Interrupted, AQuietListSaysWhichRow) {
  const Outcome run = interrupted({"--dtype", "float64,float32", "--quiet"}, 2, 0);
  EXPECT_TRUE(run.out.ends_with(
      "(row 1)\nInterrupted: after 0 of 10 iterations; not verified, no FOM (row 2)\n"))
      << run.out;
}

TEST(Interrupted, RowsInTurnHaveNoComparison) {
  const Outcome run = interrupted({"--dtype", "float64,float32", "--interleave"}, 2, kBurns + 4);
  EXPECT_EQ(run.code, 130);
  EXPECT_THAT(run.out, Not(HasSubstr("vs first")));
  EXPECT_THAT(run.out, Not(HasSubstr("FOM:")));
  EXPECT_THAT(run.out, HasSubstr("In all rows: method full, size 20x30, images 5, workers 1, "
                                 "status interrupted\n"));
}

/// The signal comes as the backend of row `of_row` ends: between two rows, or after the last one.
Outcome interrupted_at_the_end(std::vector<std::string> args, int of_row) {
  struct LastWish final : testing::BackendAround {
    LastWish(std::unique_ptr<Backend> backend, int& count)
        : BackendAround(std::move(backend)), ended(count) {}
    ~LastWish() override { ++ended; }
    int& ended;
  };
  args.insert(args.begin(), "convscale");
  int ended = 0;
  const BackendTable table =
      testing::with_cpu([&](std::unique_ptr<Backend> backend, const Config&) {
        return std::make_unique<LastWish>(std::move(backend), ended);
      });
  const auto alone = make_self_comm();
  Ranks ranks(*alone, [&] { return ended >= of_row; });
  const Options options = parse_options(args);
  std::ostringstream out, err;
  const ExitCode code = Session(args, options, table, ranks, out, err).run();
  return {static_cast<int>(code), out.str(), err.str()};
}

TEST(Interrupted, BetweenRowsIsSaidAndTakesNothingFromThoseBefore) {
  const auto two_rows = testing::quick({"--method", "full,strided", "--quiet", "--json", "-"});
  const Outcome between = interrupted_at_the_end(two_rows, 1);
  EXPECT_EQ(between.code, 130);
  EXPECT_THAT(between.err, HasSubstr("convscale: interrupted by a signal before row 2 of 2\n"));
  EXPECT_THAT(between.err, HasSubstr("FOM: "));  // the text, as the JSON has standard output
  const Json document = Json::parse(between.out);
  EXPECT_EQ(document["interrupted"], true);
  EXPECT_EQ(document["records"].size(), 1u);
  EXPECT_EQ(document["records"][0]["status"], "ok");

  const Outcome behind = interrupted_at_the_end(two_rows, 2);
  EXPECT_EQ(behind.code, 130);
  EXPECT_THAT(behind.err, HasSubstr("convscale: interrupted by a signal after the last row\n"));
}

TEST(Interrupted, ASignalAfterTheVerificationTakesNothingAway) {
  const auto alone = make_self_comm();
  std::atomic<int> looks{0};  // workers look, too
  const auto run = [&](int come_at) {
    looks = 0;
    Ranks ranks(*alone, [&] { return ++looks >= come_at; });
    const std::vector<std::string> args{"convscale", "--size", "20x30", "--mem",
                                        "3000",      "-w",     "1",     "--iterations",
                                        "2",         "--json", "-"};
    const Options options = parse_options(args);
    std::ostringstream out, err;
    const BackendTable table = backends();
    Session(args, options, table, ranks, out, err).run();
    return testing::record_of(out.str());
  };
  const Json whole = run(1'000'000);
  const int last = looks;
  int interrupted = 0, ok = 0;
  for (int come_at = 1; come_at <= last; come_at += last - come_at < 20 ? 1 : 1 + last / 60) {
    const Json r = run(come_at);
    const bool is_verified = r["verification"]["status"] == "passed";
    EXPECT_EQ(r["status"], is_verified ? "ok" : "interrupted") << "look " << come_at;
    EXPECT_EQ(r["stopped_by"].is_null(), !is_verified);
    ++(is_verified ? ok : interrupted);
  }
  EXPECT_GT(ok, 0);
  EXPECT_GT(interrupted, 0);
}

}  // namespace
}  // namespace convscale
