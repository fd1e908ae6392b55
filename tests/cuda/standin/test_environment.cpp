// SPDX-License-Identifier: Apache-2.0
// Every test that runs on the stand-in begins with it as new, in an order of threads, blocks and
// streams that is drawn anew each time, and ends with nothing left behind.
#include "support.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <gtest/gtest.h>

namespace convscale::standin {
namespace {

class Watch final : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo& /*test*/) override {
    const std::uint64_t seed = convscale::testing::test_seed();
    Options options;
    options.seed = seed;
    options.progress = seed % 2 == 0 ? Progress::kLate : Progress::kAny;
    reset(options);
  }

  void OnTestEnd(const ::testing::TestInfo& /*test*/) override {
    EXPECT_EQ(live(), Live{}) << "something leaks";
  }
};

[[maybe_unused]] const bool kWatched = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new Watch);
  return true;
}();

}  // namespace
}  // namespace convscale::standin
