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
    const Live left = live();
    EXPECT_EQ(left.device_allocations, 0) << left.device_bytes << " bytes of device memory leak";
    EXPECT_EQ(left.registrations, 0) << "host memory stays registered";
    EXPECT_EQ(left.streams, 0) << "streams leak";
    EXPECT_EQ(left.events, 0) << "events leak";
  }
};

[[maybe_unused]] const bool kWatched = [] {
  ::testing::UnitTest::GetInstance()->listeners().Append(new Watch);
  return true;
}();

}  // namespace
}  // namespace convscale::standin
