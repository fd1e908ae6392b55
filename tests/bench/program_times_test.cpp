// SPDX-License-Identifier: Apache-2.0
// What the program says of its own time, by a clock that only known steps move.
#include "bench/measure/clocked.hpp"
#include "bench/outcome.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convscale {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using testing::ClockedComm;
using testing::Outcome;
using testing::Steps;

/// The program with backends that take 7 s to set up, 1.1 s for the checks and 10 s for the
/// ceilings of an iteration, 1/4 s (cuda: 1/8 s) for each image, and 900 s at the end.
Outcome run_clocked(std::vector<std::string> args) {
  args.insert(args.begin(), {"convscale", "--size", "20x30", "--mem", "9600", "-w", "1",
                             "--iterations", "3", "--burns", "1"});
  const auto alone = make_self_comm();
  ClockedComm comm(*alone, {});
  const Steps steps{
      .create = milliseconds(1000),
      .prepare = milliseconds(2000),
      .load = milliseconds(4000),
      .ceilings = milliseconds(10'000),
      .poison = milliseconds(100),
      .inspect = milliseconds(1000),
      .finish = milliseconds(900'000),
      .compute =
          [](const Config& config, int) {
            return milliseconds(config.shape.images * (config.backend == "cpu" ? 250 : 125));
          },
      .rates = {.read_bytes_per_s = 1e9, .up_bytes_per_s = 1e6}};
  BackendTable table = testing::clocked(backends(), steps, comm);
  for (BackendEntry& entry : table)
    entry.kernels = [] { return std::vector<Listing>{{"scalar", "", ""}}; };
  std::ostringstream out, err;
  const int code = run_program(args, table, comm, out, err);
  return {code, out.str(), err.str()};
}

TEST(ProgramTimes, OfARunAreThoseOfItsRowsAndTheRest) {
  const Outcome run = run_clocked({"--dtype", "float64,float32", "--json", "-"});
  ASSERT_EQ(run.code, 0) << run.err;
  // Of each row four iterations: 7 + 4 * (10 + 1.1 + 4) + 900 s.
  EXPECT_DOUBLE_EQ(Json::parse(run.out)["wall_s"].get<double>(), 2 * 967.4);
  EXPECT_TRUE(Json::parse(run.out)["break_even_s"].is_null());
  EXPECT_THAT(run.err, HasSubstr("\nTook 1935 s: iterations 32.00 s; setup 14.00 s, generation 0 "
                                 "ns, ceilings 80.00 s, poison and digests 8.800 s, verification "
                                 "0 ns, all else 1800 s\n"));
}

TEST(ProgramTimes, OfTheBreakEvenAreItsOwnMeasurements) {
  const Outcome run = run_clocked({"--backend", "cpu,cuda", "--json", "-"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json document = Json::parse(run.out);
  const double untimed_s = 7 + 4 * 11.1 + 900;
  // Both backends at 4 and 8 images, and 16 that stay on the device, whose last results have a
  // digest of their own.
  const double more_s = 5 * untimed_s + 1 + 4 * (1 + 2 + 0.5 + 1 + 2);
  EXPECT_DOUBLE_EQ(document["break_even_s"].get<double>(), more_s);
  EXPECT_DOUBLE_EQ(document["wall_s"].get<double>(), 2 * untimed_s + 4 * (4 + 2) + more_s);
  EXPECT_THAT(run.err, HasSubstr(", break-even 4784 s, all else 1800 s\n"));
  const Json& entry = document["break_even"][0];
  EXPECT_DOUBLE_EQ(entry["cpu"]["per_image_s"].get<double>(), 0.25);
  EXPECT_DOUBLE_EQ(entry["cuda"]["per_image_s"].get<double>(), 0.125);
  EXPECT_EQ(entry["cpu_s"], 4);
  EXPECT_EQ(entry["resident_s"], 2);
  EXPECT_DOUBLE_EQ(entry["upload_s"].get<double>(), 16 * (600 + 16) * 8 / 1e6);
  EXPECT_EQ(document["records"].size(), 2u);
}

}  // namespace
}  // namespace convscale
