// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/memory_growth.hpp"

#include "common/buffer.hpp"
#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>

namespace convscale {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMebi = std::int64_t{1} << 20;
constexpr std::int64_t kReserve = 128 * kMebi;

/// A machine with the files of its kernel.
class Growth : public ::testing::Test {
 protected:
  Growth() {
    fs::create_directories(paths_.proc);
    fs::create_directories(paths_.cgroup);
  }

  void set_available(std::int64_t bytes) {
    available_ = bytes;
    least_ = std::min(least_, bytes);
    std::ofstream(paths_.proc / "meminfo") << "MemAvailable: " << bytes / 1024 << " kB\n";
  }

  /// Grows by a quarter of a gibibyte when less than `threshold` is left, up to `most_to_come`.
  void grow_below(std::int64_t threshold, std::int64_t most_to_come) {
    grow_ = [this, threshold, to_come = most_to_come]() mutable {
      if (available_ >= threshold || to_come == 0) return;
      const std::int64_t bytes = std::min(to_come, 256 * kMebi);
      to_come -= bytes;
      set_available(available_ + bytes);
    };
  }

  void grow(std::int64_t bytes) {
    const auto take = [this](std::int64_t more) {
      taken_ += more;
      set_available(available_ - more);
      grow_();
    };
    const auto pause = [this] {
      ++pauses_;
      on_pause_();
    };
    grow_memory(bytes, {take, pause, [this] { return taken_ >= stop_at_; }}, paths_);
  }

  const testing::TemporaryFolder folder_;
  const SystemPaths paths_{
      .proc = folder_ / "proc", .cgroup = folder_ / "cgroup", .virtio = folder_ / "drivers"};
  std::function<void()> grow_ = [] {}, on_pause_ = [] {};
  std::int64_t available_ = 0, least_ = std::numeric_limits<std::int64_t>::max(), taken_ = 0,
               stop_at_ = least_;
  int pauses_ = 0;
};

TEST_F(Growth, WhatIsAvailableIsNotTaken) {
  set_available(1000 * kMebi);
  grow(1000 * kMebi);
  EXPECT_EQ(taken_, 0);
  fs::remove(paths_.proc / "meminfo");  // nothing is known
  grow(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(taken_, 0);
}

TEST_F(Growth, TakesNoMoreThanItHasTo) {
  set_available(2000 * kMebi);
  grow_below(1000 * kMebi, 3000 * kMebi);
  grow(4500 * kMebi);
  EXPECT_GE(available_ + taken_, 4500 * kMebi);
  EXPECT_LT(taken_, 4500 * kMebi);
  EXPECT_GE(least_, kReserve);
  EXPECT_EQ(pauses_, 0);
}

TEST_F(Growth, WhatDoesNotGrowIsRefusedBeforeMemoryRunsOut) {
  set_available(2000 * kMebi);
  try {
    grow(4500 * kMebi);
    FAIL() << "no error";
  } catch (const ResourceError& error) {
    EXPECT_EQ(error.code(), ExitCode::kFailure);
    EXPECT_STREQ(
        error.what(),
        "this run needs 4.72 GB of memory and 2.10 GB are available (cgroup limits "
        "included); this virtual machine's memory may grow, but as it was taken there were "
        "2.10 GB and no more; a smaller --mem would do");
  }
  EXPECT_GE(least_, kReserve);
  EXPECT_GT(pauses_, 10) << "a hypervisor takes its time";
}

TEST_F(Growth, WhatDoesNotGrowFarEnoughIsRefusedWithWhatWasThere) {
  set_available(2000 * kMebi);
  grow_below(500 * kMebi, 1000 * kMebi);
  try {
    grow(4500 * kMebi);
    FAIL() << "no error";
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("there were 3.15 GB and no more"));
  }
  EXPECT_GE(least_, kReserve);
}

TEST_F(Growth, AHypervisorMayTakeItsTime) {
  set_available(300 * kMebi);
  on_pause_ = [this] {
    if (pauses_ % 20 == 0) set_available(available_ + 100 * kMebi);
  };
  grow(1000 * kMebi);
  EXPECT_GE(available_ + taken_, 1000 * kMebi);
  EXPECT_EQ(pauses_, 7 * 20);
  EXPECT_GE(least_, kReserve);
}

TEST_F(Growth, ALittleMoreNowAndThenIsNoGrowth) {
  set_available(300 * kMebi);
  on_pause_ = [this] { set_available(available_ + kMebi / 64); };
  EXPECT_THROW(grow(1000 * kMebi), ResourceError);
}

TEST_F(Growth, CgroupsAreHeldToWhileItGrows) {
  std::ofstream(paths_.proc / "meminfo") << "MemAvailable: 900000000 kB\n";
  fs::create_directories(paths_.proc / "self");
  std::ofstream(paths_.proc / "self/cgroup") << "0::/\n";
  std::ofstream(paths_.cgroup / "memory.max") << 100 * kMebi << "\n";
  std::ofstream(paths_.cgroup / "memory.current") << "0\n";
  EXPECT_THROW(grow(101 * kMebi), ResourceError);
  EXPECT_EQ(taken_, 0);
}

TEST_F(Growth, StopsWhenItIsToldTo) {
  set_available(2000 * kMebi);
  stop_at_ = 300 * kMebi;
  EXPECT_NO_THROW(grow(4500 * kMebi));
  EXPECT_EQ(taken_, 512 * kMebi);
}

TEST_F(Growth, TakesMemoryOfThisProcess) {
  set_available(kReserve + 64 * kMebi);  // and goes on to say so
  const auto faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  const auto before = faults();
  grow_memory(
      kReserve + 128 * kMebi, [] { return false; }, paths_);
  EXPECT_GE(faults() - before, 64 / 2) << "one for each page, which may be a huge one";
}

}  // namespace
}  // namespace convscale
