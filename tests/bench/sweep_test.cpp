// SPDX-License-Identifier: Apache-2.0
// The whole program: rows in turn, rows that share their data, and what ends a measurement.
#include "bench/cli/options.hpp"
#include "bench/faulty_backend.hpp"
#include "bench/outcome.hpp"
#include "bench/recording_backend.hpp"
#include "common/limits.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::expect_one_line_error;
using testing::Fault;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::quick;
using testing::run;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

/// A run of a few milliseconds with one measured iteration and no burn.
std::vector<std::string> quicker(std::vector<std::string> more) {
  std::vector<std::string> args{"--size",       "20x30", "--mem",   "3000",
                                "--iterations", "1",     "--burns", "0"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Json records_of(const Outcome& outcome) { return Json::parse(outcome.out)["records"]; }

TEST(Interleave, RunsOneIterationOfEachInTurn) {
  std::vector<std::string> log;
  const Outcome outcome = run({"--size", "20x30", "--mem", "3000", "--kernel", "scalar,eigen",
                               "--iterations", "2", "--burns", "1", "--interleave", "--json", "-"},
                              testing::table_with(log));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(log, ElementsAre("make scalar", "make eigen", "run scalar", "run eigen", "run scalar",
                               "run eigen", "run scalar", "run eigen", "end scalar", "end eigen"));
  for (const Json& record : records_of(outcome)) {
    EXPECT_TRUE(record["interleaved"]);
    EXPECT_EQ(record["status"], "ok");
    EXPECT_EQ(record["verification"]["status"], "passed");
    EXPECT_THAT(record["times_s"], SizeIs(2));
    EXPECT_THAT(record["burn_times_s"], SizeIs(1));
    EXPECT_EQ(record["stopped_by"], "iterations");
  }
}

TEST(Interleave, InOrderIsOneRowAfterTheOther) {
  std::vector<std::string> log;
  const Outcome outcome =
      run(quicker({"--kernel", "scalar,eigen", "--json", "-"}), testing::table_with(log));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(log, ElementsAre("make scalar", "run scalar", "end scalar", "make eigen", "run eigen",
                               "end eigen"));
  EXPECT_FALSE(records_of(outcome)[0]["interleaved"]);
}

TEST(Interleave, KeepsRowsThatCannotRunInTheirPlace) {
  const Outcome outcome = run(quicker(
      {"--scope", "resident,end-to-end", "--num_workers", "1,2", "--interleave", "--json", "-"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json records = records_of(outcome);
  ASSERT_THAT(records, SizeIs(4));
  EXPECT_EQ(records[0]["status"], "skipped");
  EXPECT_EQ(records[1]["status"], "skipped");
  EXPECT_EQ(records[2]["status"], "ok");
  EXPECT_EQ(records[3]["num_workers"], 2);
}

TEST(Interleave, GoesOnWithoutARowThatFails) {
  const Outcome outcome =
      run(quick({"--kernel", "scalar,eigen,auto", "--interleave", "--json", "-"}),
          testing::table_with(Fault::kDeviceFault, "eigen"));
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("row 2: launch failed: device lost"));
  const Json records = records_of(outcome);
  EXPECT_EQ(records[0]["status"], "ok");
  EXPECT_EQ(records[1]["status"], "failed");
  EXPECT_EQ(records[2]["status"], "ok");
  EXPECT_EQ(records[2]["verification"]["status"], "passed") << "it shares inputs with the one lost";
  EXPECT_THAT(records[2]["times_s"], SizeIs(3));
}

TEST(Interleave, StopsARowWhoseResultsAreWrong) {
  const Outcome outcome = run(quick({"--kernel", "scalar,eigen", "--interleave", "--json", "-"}),
                              testing::table_with(Fault::kDrift, "eigen"));
  EXPECT_EQ(outcome.code, 4);
  const Json records = records_of(outcome);
  EXPECT_EQ(records[0]["status"], "ok");
  EXPECT_THAT(records[0]["times_s"], SizeIs(3));
  EXPECT_EQ(records[1]["status"], "failed");
  EXPECT_THAT(records[1]["burn_times_s"], SizeIs(2)) << "the second burn drifts";
  EXPECT_THAT(records[1]["times_s"], SizeIs(0));
  EXPECT_TRUE(records[1]["stopped_by"].is_null());
}

TEST(Interleave, OfRowsOfWhichOneCanRunIsNone) {
  const Outcome outcome =
      run(quick({"--scope", "end-to-end,resident", "--interleave", "--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(records_of(outcome)[0]["interleaved"]);
}

TEST(Interleave, ChecksTheMemoryOfAllRowsFirst) {
  const auto available = available_memory_bytes();
  if (!available) GTEST_SKIP() << "this system does not say how much memory is free";
  // Each would fit, both do not.
  const std::int64_t pixels = *available / 10 * 6 / 8;
  std::vector<std::string> log;
  const Outcome outcome =
      run({"--mem", fmt::format("{},{}", pixels, pixels - 1000000), "--interleave"},
          testing::table_with(log));
  expect_one_line_error(outcome, 5, "--interleave holds all configurations at once");
  EXPECT_THAT(log, Not(Contains(StartsWith("run "))));
}

TEST(Sharing, LaterRowsTakeTheDataThatAreThere) {
  const Outcome outcome = run(quick({"--kernel", "scalar,eigen", "--method", "full,strided",
                                     "--fill", "integers", "--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json records = records_of(outcome);
  EXPECT_FALSE(records[0]["generation_s"].is_null());
  for (std::size_t row = 1; row < 4; ++row) {
    EXPECT_TRUE(records[row]["generation_s"].is_null()) << row;
    EXPECT_EQ(records[row]["digest"], records[0]["digest"]);
  }
}

TEST(StopRule, LeastTimeIsReached) {
  const Outcome outcome = run(quick({"--min-time", "0.001", "--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json record = records_of(outcome)[0];
  double sum = 0;
  for (const double time_s : record["times_s"]) sum += time_s;
  EXPECT_GE(sum, 0.001);
  EXPECT_EQ(record["min_time_s"], 0.001);
  EXPECT_EQ(record["iterations"], 3);
}

TEST(StopRule, IsInTheRecordWithWhatItReached) {
  const Outcome outcome = run(quick({"--max-noise", "20%", "--timeout", "0.25", "--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json record = records_of(outcome)[0];
  EXPECT_EQ(record["max_noise"], 0.2);
  EXPECT_EQ(record["timeout_s"], 0.25);
  // Which of the two it is depends on how busy the machine is; measurement_test.cpp has both.
  if (record["stopped_by"] == "precision") {
    EXPECT_LE(record["noise"], 0.2);
    EXPECT_GE(record["times_s"].size(), 6u);
    EXPECT_LE(record["median_low_s"], record["median_s"]);
    EXPECT_GE(record["median_high_s"], record["median_s"]);
  } else {
    EXPECT_EQ(record["stopped_by"], "timeout");
  }
}

TEST(StopRule, NoiseHasATimeoutOfItsOwn) {
  const auto config = parse_options({"convscale", "--max-noise", "1"}).configs.front();
  EXPECT_EQ(config.stop.max_noise, 0.01);
  EXPECT_EQ(config.stop.timeout_s, 60);
  EXPECT_FALSE(parse_options({"convscale", "--min-time", "1"}).configs[0].stop.timeout_s);
}

TEST(StopRule, TimeoutLeavesOneIterationAndAWarning) {
  const Outcome outcome = run(quick({"--timeout", "0", "--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json record = records_of(outcome)[0];
  EXPECT_THAT(record["times_s"], SizeIs(1));
  EXPECT_THAT(record["burn_times_s"], SizeIs(0));
  EXPECT_EQ(record["stopped_by"], "timeout");
  EXPECT_EQ(record["verification"]["status"], "passed");
  EXPECT_THAT(outcome.err, HasSubstr("warning: --timeout 0 s ended it after 1 iteration\n"));
}

TEST(WorkTime, RepeatsEachImage) {
  const Outcome outcome =
      run(quicker({"--work_time", "0.002", "--fill", "integers", "-w", "1", "--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json record = records_of(outcome)[0];
  EXPECT_EQ(record["work_time"], 0.002);
  EXPECT_GE(record["min_s"], 5 * 0.002) << "of five images one after the other";
  for (const char* rate : {"images_per_s", "pixels_per_s", "bytes_per_s", "flops_per_s"})
    EXPECT_TRUE(record[rate].is_null()) << rate;
  for (const auto& [name, value] : record["bound"].items()) EXPECT_TRUE(value.is_null()) << name;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("Verification: passed"), Not(HasSubstr("FOM"))));
  const Outcome plain = run(quick({"--fill", "integers", "--work-time", "0", "--json", "-"}));
  EXPECT_EQ(records_of(plain)[0]["digest"], record["digest"]);
  EXPECT_TRUE(records_of(plain)[0]["work_time"].is_null());
  EXPECT_FALSE(records_of(plain)[0]["images_per_s"].is_null());
}

TEST(IterationLines, ShowEachIterationBurnsFirst) {
  const Outcome outcome = run(quick({"--iteration-lines", "--burns", "1", "--quiet"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::MatchesRegex("Number of workers: 2\nNumber of images: 5\n"
                                                   "(Time for iteration [0-3] is [0-9]+[.][0-9]+ "
                                                   "seconds\n)+Average time: (.|\n)*"));
  EXPECT_THAT(outcome.out, HasSubstr("iteration 3 is"));
  const Outcome list = run(quick({"--iteration-lines", "--kernel", "scalar,eigen"}));
  EXPECT_THAT(list.out, HasSubstr("Time for iteration 4 is"));
  EXPECT_THAT(list.out, HasSubstr(" seconds (row 2)\n"));
}

}  // namespace
}  // namespace convscale
