// SPDX-License-Identifier: Apache-2.0
#include "common/limits.hpp"

#include "common/buffer.hpp"
#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <locale>
#include <string>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kKib = 1024;

/// /proc and /sys/fs/cgroup of a machine of 16 GB of which 8 GB are available.
class Limits : public ::testing::Test {
 protected:
  Limits() {
    put("proc/meminfo",
        "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n");
    put("proc/self/cgroup", "0::/\n");
    fs::create_directories(folder_ / "cgroup");
  }

  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  std::int64_t available() const { return available_memory_bytes(paths_).value_or(-1); }

  const testing::TemporaryFolder folder_;
  const SystemPaths paths_{.proc = folder_ / "proc",
                           .cgroup = folder_ / "cgroup",
                           .cpu = folder_ / "cpu",
                           .virtio = folder_ / "drivers"};
};

TEST_F(Limits, WithoutCgroupsTheKernelSays) {
  EXPECT_EQ(available(), 8'000'000 * kKib);
  EXPECT_EQ(total_memory_bytes(paths_), 16'000'000 * kKib);
  EXPECT_EQ(cpu_quota(paths_), std::nullopt);
}

TEST_F(Limits, NothingKnownIsNull) {
  const SystemPaths nowhere{
      .proc = folder_ / "none", .cgroup = folder_ / "none", .virtio = folder_ / "none"};
  EXPECT_EQ(available_memory_bytes(nowhere), std::nullopt);
  EXPECT_EQ(most_memory_bytes(nowhere), std::nullopt);
  EXPECT_EQ(total_memory_bytes(nowhere), std::nullopt);
  EXPECT_EQ(cpu_quota(nowhere), std::nullopt);
  EXPECT_NO_THROW(check_memory(std::numeric_limits<std::int64_t>::max(), nowhere));
}

TEST_F(Limits, NoCgroupFileIsNoLimit) {
  fs::remove(folder_ / "proc/self/cgroup");
  put("cgroup/memory.max", "1000\n");
  put("cgroup/memory.current", "10\n");
  EXPECT_EQ(available(), 8'000'000 * kKib);
}

TEST_F(Limits, CgroupVersion2LeavesLimitLessUsePlusReclaimable) {
  put("proc/self/cgroup", "0::/job\n");
  put("cgroup/job/memory.max", "5000000\n");
  put("cgroup/job/memory.current", "3000000\n");
  EXPECT_EQ(available(), 2'000'000);
  put("cgroup/job/memory.stat",
      "anon 1\nfile 99\ninactive_anon 7\ntotal_inactive_file 5\ninactive_file 400000\n");
  EXPECT_EQ(available(), 2'400'000);
}

TEST_F(Limits, CgroupOverItsLimitLeavesNothing) {
  put("proc/self/cgroup", "0::/job\n");
  put("cgroup/job/memory.max", "5000000\n");
  put("cgroup/job/memory.current", "5000001\n");
  EXPECT_EQ(available(), 0);
}

TEST_F(Limits, MaxIsNoLimit) {
  put("proc/self/cgroup", "0::/job\n");
  put("cgroup/job/memory.max", "max\n");
  put("cgroup/job/memory.current", "3000000\n");
  put("cgroup/job/cpu.max", "max 100000\n");
  EXPECT_EQ(available(), 8'000'000 * kKib);
  EXPECT_EQ(cpu_quota(paths_), std::nullopt);
}

TEST_F(Limits, MissingFilesAreNoLimit) {
  put("proc/self/cgroup", "0::/job\n");
  put("cgroup/job/memory.current", "3000000\n");  // no memory.max
  EXPECT_EQ(available(), 8'000'000 * kKib);
}

TEST_F(Limits, TheTightestOfAllParentsCounts) {
  put("proc/self/cgroup", "0::/slurm/job/step\n");
  put("cgroup/slurm/job/step/memory.max", "max\n");
  put("cgroup/slurm/job/step/memory.current", "100\n");
  put("cgroup/slurm/job/memory.max", "9000000\n");
  put("cgroup/slurm/job/memory.current", "1000000\n");
  put("cgroup/slurm/memory.max", "9500000\n");
  put("cgroup/slurm/memory.current", "8500000\n");
  EXPECT_EQ(available(), 1'000'000);
  put("cgroup/memory.max", "700000\n");
  put("cgroup/memory.current", "0\n");
  EXPECT_EQ(available(), 700'000);
  put("cgroup/slurm/job/step/memory.max", "300\n");
  EXPECT_EQ(available(), 200);
}

TEST_F(Limits, APathOutsideOfTheContainerMeansTheMountedRoot) {
  put("proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
  put("cgroup/memory.max", "6000000\n");
  put("cgroup/memory.current", "1000000\n");
  put("cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(available(), 5'000'000);
  EXPECT_EQ(cpu_quota(paths_), 1.5);
  put("proc/self/cgroup", "0::/../..\n");  // as seen from a cgroup namespace
  EXPECT_EQ(available(), 5'000'000);
}

TEST_F(Limits, CgroupVersion1) {
  put("proc/self/cgroup",
      "12:pids:/p\n5:cpu,cpuacct:/job\n4:memory:/job/step\n3:cpuset:/\n0::/elsewhere\n");
  put("cgroup/memory/job/step/memory.limit_in_bytes", "9223372036854771712\n");  // none
  put("cgroup/memory/job/step/memory.usage_in_bytes", "1000\n");
  put("cgroup/memory/job/memory.limit_in_bytes", "4000000\n");
  put("cgroup/memory/job/memory.usage_in_bytes", "3500000\n");
  put("cgroup/memory/job/memory.stat", "inactive_file 7\ntotal_inactive_file 200000\n");
  put("cgroup/cpu/job/cpu.cfs_quota_us", "250000\n");
  put("cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(available(), 700'000);
  EXPECT_EQ(cpu_quota(paths_), 2.5);
}

TEST_F(Limits, ControllersAreNotConfused) {
  // "memory" and "cpu" are not parts of other names.
  put("proc/self/cgroup", "4:memory_fake:/job\n5:cpuset:/job\n6:cpuacct:/job\n");
  put("cgroup/memory/job/memory.limit_in_bytes", "1000\n");
  put("cgroup/memory/job/memory.usage_in_bytes", "0\n");
  put("cgroup/cpu/job/cpu.cfs_quota_us", "50000\n");
  put("cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(available(), 8'000'000 * kKib);
  EXPECT_EQ(cpu_quota(paths_), std::nullopt);
}

TEST_F(Limits, CpuQuotaIsTheTightest) {
  put("proc/self/cgroup", "0::/a/b\n");
  put("cgroup/a/b/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpu_quota(paths_), 4.0);
  put("cgroup/a/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpu_quota(paths_), 0.5);
}

TEST_F(Limits, QuotaOfMinusOneIsNone) {
  put("proc/self/cgroup", "5:cpu,cpuacct:/\n");
  put("cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put("cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(paths_), std::nullopt);
}

TEST_F(Limits, CheckMemoryThrowsBeyondWhatIsThere) {
  EXPECT_NO_THROW(check_memory(8'000'000 * kKib, paths_));
  try {
    check_memory(8'000'000 * kKib + 1, paths_);
    FAIL() << "no error";
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("8.19 GB"), HasSubstr("--mem"), Not(HasSubstr("\n"))));
  }
  put("cgroup/memory.max", "1000\n");
  put("cgroup/memory.current", "0\n");
  EXPECT_NO_THROW(check_memory(1000, paths_));
  EXPECT_THROW(check_memory(1001, paths_), ResourceError);
}

// --- Virtual machines whose memory grows ---

/// Two zones with 2,000,000 pages of which the kernel has 500,000.
constexpr const char* kZones =
    "Node 0, zone      DMA\n  per-node stats\n      nr_present 77\n  pages free     200\n"
    "        spanned  4095\n        present  500000\n        managed  400000\n"
    "Node 0, zone   Normal\n  pages free     100\n        present  1500000\n"
    "        managed  100000\n    cpu: 0\n              count:    3\n";

TEST_F(Limits, OnlyADeviceThatIsBoundMakesMemoryGrow) {
  put("proc/zoneinfo", kZones);
  EXPECT_EQ(most_memory_bytes(paths_), available());
  put("drivers/virtio_balloon/bind", "");
  put("drivers/virtio_balloon/module/version", "");
  put("drivers/virtio_mem/uevent", "");
  put("drivers/virtio_net/virtio1/features", "");
  EXPECT_EQ(most_memory_bytes(paths_), available());
  EXPECT_THROW(check_memory(available() + 1, paths_), ResourceError);
}

TEST_F(Limits, ABalloonMayBringThePagesThatTheKernelHasNotGot) {
  put("drivers/virtio_balloon/virtio0/features", "0110");
  EXPECT_EQ(most_memory_bytes(paths_), available()) << "nothing says what else there is";
  put("proc/zoneinfo", kZones);
  const std::int64_t most = available() + 1'500'000 * page_bytes();
  EXPECT_EQ(most_memory_bytes(paths_), most);
  EXPECT_NO_THROW(check_memory(most, paths_));
  try {
    check_memory(most + 1, paths_);
    FAIL() << "no error";
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("8.19 GB are available (cgroup limits included), and "),
                      HasSubstr("if this virtual machine's memory grows; a smaller"),
                      Not(HasSubstr("\n"))));
  }
  // Pages that it holds, and leaves to the kernel to count.
  put("proc/vmstat", "nr_balloon_pages 300\nballoon_inflate 1000\nballoon_deflate 700\n");
  EXPECT_EQ(most_memory_bytes(paths_), most + 300 * page_bytes());
  put("proc/vmstat", "balloon_inflate 0\nballoon_deflate 5000000\n");
  EXPECT_EQ(most_memory_bytes(paths_), available());
  fs::remove(paths_.proc / "vmstat");
  put("proc/zoneinfo", "present 2000000\nmanaged 1880000\n");
  EXPECT_EQ(most_memory_bytes(paths_), available()) << "the kernel's own";
}

TEST_F(Limits, NothingButCgroupsBoundsMemoryThatIsPluggedIn) {
  put("drivers/virtio_mem/virtio3/features", "01");
  EXPECT_EQ(most_memory_bytes(paths_), std::nullopt);
  EXPECT_NO_THROW(check_memory(std::numeric_limits<std::int64_t>::max(), paths_));
  put("cgroup/memory.max", "9000000000\n");
  put("cgroup/memory.current", "0\n");
  EXPECT_EQ(most_memory_bytes(paths_), 9'000'000'000);
  EXPECT_NO_THROW(check_memory(9'000'000'000, paths_));
  EXPECT_THROW(check_memory(9'000'000'001, paths_), ResourceError);
}

TEST_F(Limits, ThreadsNeedMemoryForTheirStacks) {
  put("cgroup/memory.max", "200000000\n");
  put("cgroup/memory.current", "0\n");
  EXPECT_NO_THROW(check_threads(4000, paths_));
  try {
    check_threads(20000, paths_);
    FAIL() << "no error";
  } catch (const ResourceError& error) {
    EXPECT_STREQ(error.what(),
                 "20000 threads need 0.98 GB of memory and 0.20 GB are available (cgroup limits "
                 "included); fewer --num_workers would do");
  }
  put("cgroup/memory.current", "199000000\n");
  EXPECT_THROW(check_threads(21, paths_), ResourceError);
  EXPECT_NO_THROW(check_threads(20, paths_));
}

TEST_F(Limits, TheDriverKnowsTheHighestClockOfTheFastestProcessor) {
  EXPECT_FALSE(processor_clock(paths_));
  put("cpu/cpufreq/policy0/cpuinfo_max_freq", "3800000\n");
  put("cpu/cpufreq/policy0/scaling_driver", "intel_pstate\n");
  put("cpu/cpufreq/policy8/cpuinfo_max_freq", "5200000\n");
  put("cpu/cpufreq/policy8/scaling_driver", "intel_pstate\n");
  put("cpu/cpufreq/boost", "1\n");
  put("proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 9000.000\n");
  EXPECT_EQ(processor_clock(paths_)->hz, 5.2e9);
  EXPECT_TRUE(processor_clock(paths_)->is_most);
  EXPECT_LT(processor_clock(paths_)->most_hz(), 2 * 5.2e9);
  put("cpu/cpufreq/policy8/scaling_driver", "acpi-cpufreq\n");
  EXPECT_FALSE(processor_clock(paths_)->is_most) << "it does not know of boosts";
}

TEST_F(Limits, WithoutADriverAClockIsNominal) {
  put("proc/cpuinfo",
      "processor\t: 0\nmodel name\t: X\ncpu MHz\t\t: 2596.125\n\nprocessor\t: 1\n"
      "cpu MHz\t\t: 2600.250\nflags\t\t: fpu\n");
  EXPECT_EQ(processor_clock(paths_)->hz, 2600.25e6);
  EXPECT_FALSE(processor_clock(paths_)->is_most);
  put("proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: unknown\nBogoMIPS\t: 50.00\n");
  EXPECT_FALSE(processor_clock(paths_)) << "as on many ARM processors";
}

TEST_F(Limits, TheLocaleDoesNotMatter) {
  struct Commas : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  put("cgroup/cpu.max", "150000 100000\n");
  const std::locale before = std::locale::global(std::locale(std::locale(), new Commas));
  const std::int64_t bytes = available();
  const std::optional<double> quota = cpu_quota(paths_);
  put("proc/cpuinfo", "cpu MHz\t\t: 2596.125\n");
  const auto clock = processor_clock(paths_);
  std::locale::global(before);
  EXPECT_EQ(bytes, 8'000'000 * kKib);
  EXPECT_EQ(quota, 1.5);
  EXPECT_EQ(clock->hz, 2596.125e6);
}

TEST(LimitsOfThisMachine, AreKnown) {
  const auto total = total_memory_bytes();
  ASSERT_TRUE(total.has_value());
  EXPECT_GT(*total, 64 << 20);
  EXPECT_LE(available_memory_bytes().value_or(0), *total);
  EXPECT_NO_THROW(check_memory(4096));
}

}  // namespace
}  // namespace convscale
