// SPDX-License-Identifier: Apache-2.0
// The micro-benchmarks count what they move, by the stand-in's modelled times and its counts.
#include "cuda/probe.hpp"

#include "common/error.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <string>

namespace convscale::cuda {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

class StandinProbe : public ::testing::Test {
 protected:
  void SetUp() override { standin::reset(options_); }
  standin::Options options_{.memory_bytes = std::size_t{200} << 20,
                            .costs_ms = {{"cudaLaunchKernelEx", 1},
                                         {"cudaMemcpyAsync", 2},
                                         {"cudaMemcpy2DAsync", 4},
                                         {"cudaMemcpy3DAsync", 8}}};
};

/// Seconds of one repetition, by the costs above.
double expected_ms(const ProbeFigure& f) {
  if (f.name == "event") return 0;
  if (f.variant.find("needed rows of") != std::string::npos)
    return f.variant.find("1000^2") != std::string::npos ? 4 + 4 + 8 : 4 + 5 * 8;  // upload_images
  return f.unit == "launch" || f.name == "read" || f.name == "multiply-add" ? 1 : 2;
}

/// What the stand-in has counted.
struct Counts {
  standin::Copied copied = standin::copied();
  std::int64_t loaded = standin::loaded_bytes(), asked = standin::occupancy_queries();
};

/// Of what `f` tells of, since `before`; 0 if it is not counted.
double moved(const ProbeFigure& f, const Counts& before, const Counts& now) {
  const auto up = static_cast<double>(now.copied.up - before.copied.up),
             down = static_cast<double>(now.copied.down - before.copied.down);
  if (f.name == "read") return static_cast<double>(now.loaded - before.loaded);
  if (f.name == "copy, read and written")
    return 2 * static_cast<double>(now.copied.across - before.copied.across);
  if (f.name == "link, up") return f.variant.find("all rows") == std::string::npos ? up : 0;
  if (f.name == "link, down") return down;
  return f.name == "link, both ways" ? up + down : 0;
}

/// Amounts are those that are counted from one figure to the next: one untimed repetition and some
/// that are timed, all alike. A launch asks nothing whose time would be in it.
TEST_F(StandinProbe, MeasuresEachThingAndCountsWhatItMoves) {
  std::set<std::string> names;
  Counts before;
  probe(0, [&](const ProbeFigure& f) {
    SCOPED_TRACE(f.name + ", " + f.variant);
    const Counts now;
    EXPECT_GT(f.amount, 0);
    EXPECT_GE(f.seconds, 0);
    if (f.variant != "and wait, by the host's clock") {
      EXPECT_NEAR(1e3 * f.seconds, expected_ms(f), 1e-3);
    }
    if (!names.empty()) {  // the first has warmed the device up
      const double all = moved(f, before, now), repetitions = all / f.amount;
      EXPECT_EQ(repetitions, std::floor(repetitions)) << all << " of " << f.amount;
      if (f.unit == "byte" && all > 0) {
        EXPECT_GE(repetitions, 2);
      }
    }
    if (f.name == "launch") {
      constexpr std::int64_t kGates = 8;  // reads that fill the device, before what is timed
      EXPECT_EQ(now.asked - before.asked, f.variant == "queued one behind the other" ? kGates : 0);
    }
    names.insert(f.name);
    before = now;
    return true;
  });
  EXPECT_GT(before.asked, 0);
  EXPECT_THAT(names, IsSupersetOf({"read", "copy, read and written", "multiply-add", "link, up",
                                   "link, down", "link, both ways", "launch", "event"}));
}

TEST_F(StandinProbe, StopsWhenToldTo) {
  int count = 0;
  probe(0, [&](const ProbeFigure&) { return ++count < 3; });
  EXPECT_EQ(count, 3);
}

TEST_F(StandinProbe, AFaultIsOneMessage) {
  standin::fail("cudaMemcpyAsync", cudaErrorUnknown, 20);
  try {
    probe(0, [](const ProbeFigure&) { return true; });
    FAIL();
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cudaErrorUnknown"));
  }
}

}  // namespace
}  // namespace convscale::cuda
