// SPDX-License-Identifier: Apache-2.0
// What signals do to the program, from its first moment on.
#include "bench/started_program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace convscale {
namespace {

using ::testing::HasSubstr;
using testing::kHasTimes;
using testing::kInterrupts;
using testing::kMeasuring;
using testing::OnTerminal;
using testing::Process;
using testing::read_text;
using testing::TemporaryFolder;
using testing::with_variables;
using Json = nlohmann::json;

TEST(Signals, InterruptedRunWritesWhatItHas) {
  for (const int number : kInterrupts) {
    const TemporaryFolder folder;
    OnTerminal process(folder, {"--size", "200", "--mem", "400000", "--burns", "0", "--min-time",
                                "1000", "--json", folder / "r.json"});
    ASSERT_TRUE(process.wait_until(kMeasuring, kHasTimes)) << process.err();
    process.signal(number);
    // The kernel sends one each second; and a terminal that goes sends one beside that of a user.
    if (number == SIGHUP || number == SIGXCPU) process.signal(number);
    ASSERT_EQ(process.wait().code, 130) << process.err();
    EXPECT_THAT(process.err(), HasSubstr("interrupted"));
    const Json document = Json::parse(read_text(folder / "r.json"));
    EXPECT_EQ(document["interrupted"], true);
    const Json& record = document["records"][0];
    EXPECT_EQ(record["status"], "interrupted");
    EXPECT_EQ(record["verification"]["status"], "skipped");
    EXPECT_GT(record["times_s"].size(), 0u);
    EXPECT_GT(record["median_s"], 0);
    EXPECT_THAT(process.out(), HasSubstr("Interrupted: after "));
  }
}

TEST(Signals, InterruptedListKeepsTheRowsThatItHas) {
  const TemporaryFolder folder;
  // The second row has a thousand times the work of the first: five minutes.
  OnTerminal process(folder, {"--size", "20", "--mem", "400,400000", "-w", "1", "--work_time",
                              "0.001", "--iterations", "300", "--json", folder / "r.json"});
  ASSERT_TRUE(process.wait_until("row 2 of 2")) << process.err();
  process.signal(SIGINT);
  ASSERT_EQ(process.wait().code, 130) << process.err();
  const Json document = Json::parse(read_text(folder / "r.json"));
  EXPECT_EQ(document["interrupted"], true);
  ASSERT_EQ(document["records"].size(), 2u);
  EXPECT_EQ(document["records"][0]["status"], "ok");
  EXPECT_EQ(document["records"][0]["times_s"].size(), 300u);
  EXPECT_EQ(document["records"][1]["status"], "interrupted");
  EXPECT_THAT(process.out(), HasSubstr(" of 300 iterations; not verified, no FOM (row 2)"));
}

/// Interrupts four rows in turn once `text` was on the terminal `count` times; their records.
Json interrupted_in_turn(const std::string& pixels, const std::string& text, int count) {
  const TemporaryFolder folder;
  OnTerminal process(folder, {"--size", "200", "--mem", pixels, "--method", "full,strided",
                              "--dtype", "float64,float32", "--burns", "0", "--min-time", "1000",
                              "--interleave", "--json", folder / "r.json"});
  EXPECT_TRUE(process.wait_until(text, count)) << process.err();
  process.signal(SIGINT);
  EXPECT_EQ(process.wait().code, 130) << process.err();
  const Json document = Json::parse(read_text(folder / "r.json"));
  EXPECT_EQ(document["interrupted"], true);
  EXPECT_EQ(document["records"].size(), 4u);
  for (const Json& record : document["records"]) EXPECT_EQ(record["status"], "interrupted");
  return document["records"];
}

TEST(Signals, InterruptedRowsInTurnKeepWhatTheyHave) {
  interrupted_in_turn("40000000", "generating", 1);
  for (const Json& record : interrupted_in_turn("400000", kMeasuring, kHasTimes))
    EXPECT_FALSE(record["times_s"].empty());
}

TEST(Signals, AnInterruptAtTheVeryStartIsSaid) {
  for (const int number : kInterrupts) {
    const TemporaryFolder folder;
    const Process process(folder, {"--size", "200", "--mem", "400000", "--burns", "0", "--min-time",
                                   "1000", "--json", folder / "r.json"});
    process.wait_until_handled(number);
    process.signal(number);
    EXPECT_EQ(process.wait().code, 130);
    EXPECT_THAT(process.err(), HasSubstr("convscale: interrupted by a signal\n"));
    EXPECT_EQ(Json::parse(read_text(folder / "r.json"))["interrupted"], true);
  }
}

/// As nohup has it, and a shell's background.
TEST(Signals, WhatWasIgnoredAtTheStartStaysIgnored) {
  for (const int number : kInterrupts) {
    const TemporaryFolder folder;
    OnTerminal process(folder,
                       {"--size", "20", "--mem", "400", "-w", "1", "--burns", "0", "--min-time",
                        "0.05", "--json", folder / "r.json"},
                       [number] {
                         std::signal(number, SIG_IGN);
                         with_variables({"TERM=xterm"})();
                       });
    ASSERT_TRUE(process.wait_until(kMeasuring)) << process.err();
    process.signal(number);
    EXPECT_EQ(process.wait().code, 0) << process.err();
    EXPECT_EQ(Json::parse(read_text(folder / "r.json"))["interrupted"], false);
  }
}

}  // namespace
}  // namespace convscale
