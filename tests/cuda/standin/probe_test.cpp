// SPDX-License-Identifier: Apache-2.0
// The micro-benchmarks count what they move, by the stand-in's modelled times and its counts.
#include "cuda/probe.hpp"

#include "common/error.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

class StandinProbe : public ::testing::Test {
 protected:
  void SetUp() override { standin::reset(options_); }
  void TearDown() override {
    EXPECT_EQ(standin::live(), standin::Live{}) << "something leaks";
    standin::reset();
  }
  standin::Options options_{.memory_bytes = std::size_t{200} << 20,
                            .costs_ms = {{"cudaLaunchKernelEx", 1},
                                         {"cudaMemcpyAsync", 2},
                                         {"cudaMemcpy2DAsync", 4},
                                         {"cudaMemcpy3DAsync", 8}}};

  static std::vector<ProbeFigure> figures() {
    std::vector<ProbeFigure> all;
    probe(0, [&](const ProbeFigure& figure) {
      all.push_back(figure);
      return true;
    });
    return all;
  }
};

TEST_F(StandinProbe, MeasuresEachThing) {
  std::set<std::string> names;
  for (const ProbeFigure& figure : figures()) {
    names.insert(figure.name);
    EXPECT_GE(figure.seconds, 0) << figure.name << ", " << figure.variant;
    EXPECT_GT(figure.amount, 0);
  }
  EXPECT_THAT(names, IsSupersetOf({"read", "copy, read and written", "multiply-add", "link, up",
                                   "link, down", "link, both ways", "launch", "event"}));
}

/// Amounts are those that the stand-in counts from one figure to the next: one untimed repetition
/// and some that are timed, all alike.
TEST_F(StandinProbe, CountsWhatItMoves) {
  standin::Copied copied;
  std::int64_t loaded = 0;
  bool is_first = true;
  probe(0, [&](const ProbeFigure& f) {
    const standin::Copied now = standin::copied();
    const std::int64_t now_loaded = standin::loaded_bytes();
    const auto moved = [&](std::int64_t after, std::int64_t before) {
      return static_cast<double>(after - before);
    };
    double all = 0;
    if (f.name == "read" && !is_first) all = moved(now_loaded, loaded);
    if (f.name == "copy, read and written") all = 2 * moved(now.across, copied.across);
    if (f.name == "link, up" && f.variant.find("all rows") == std::string::npos)
      all = moved(now.up, copied.up);
    if (f.name == "link, down") all = moved(now.down, copied.down);
    if (f.name == "link, both ways") all = moved(now.up, copied.up) + moved(now.down, copied.down);
    const double repetitions = all / f.amount;
    EXPECT_EQ(repetitions, static_cast<double>(static_cast<std::int64_t>(repetitions)))
        << f.name << ", " << f.variant << ": " << all << " of " << f.amount;
    if (f.unit == "byte" && all > 0) {
      EXPECT_GE(repetitions, 2);
    }
    copied = now;
    loaded = now_loaded;
    is_first = false;
    return true;
  });
}

TEST_F(StandinProbe, TimesAreOfOneRepetition) {
  for (const ProbeFigure& f : figures()) {
    const std::string& v = f.variant;
    if (v == "and wait, by the host's clock") continue;
    double ms = f.unit == "launch" || f.name == "read" || f.name == "multiply-add" ? 1 : 2;
    if (f.name == "event") ms = 0;
    if (v.find("needed rows of") != std::string::npos)
      ms = v.find("1000^2") != std::string::npos ? 4 + 4 + 8 : 4 + 5 * 8;  // see upload_images
    EXPECT_NEAR(1e3 * f.seconds, ms, 1e-3) << f.name << ", " << v;
  }
}

/// Whose time would be in it.
TEST_F(StandinProbe, ALaunchAsksNothing) {
  std::int64_t asked = 0;
  probe(0, [&](const ProbeFigure& f) {
    if (f.name == "launch") {
      constexpr std::int64_t kGates = 7;  // reads that fill the device, before what is timed
      const std::int64_t gates = f.variant == "queued one behind the other" ? kGates : 0;
      EXPECT_EQ(standin::occupancy_queries() - asked, gates) << f.variant;
    }
    asked = standin::occupancy_queries();
    return true;
  });
  EXPECT_GT(asked, 0);
}

TEST_F(StandinProbe, StopsWhenToldTo) {
  int count = 0;
  probe(0, [&](const ProbeFigure&) { return ++count < 3; });
  EXPECT_EQ(count, 3);
}

TEST_F(StandinProbe, AFaultIsOneMessage) {
  standin::fail("cudaMemcpyAsync", cudaErrorUnknown, 20);
  try {
    figures();
    FAIL();
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cudaErrorUnknown"));
  }
}

}  // namespace
}  // namespace convscale::cuda
