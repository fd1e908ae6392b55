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
using testing::message_of;
using ::testing::Not;

constexpr std::int64_t kKib = 1024;

constexpr std::int64_t kAll = 8'000'000 * kKib;

/// /proc and /sys/fs/cgroup of a machine of 16 GB of which 8 GB are available.
struct Machine {
  Machine() {
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
class Limits : public ::testing::Test, protected Machine {};

TEST_F(Limits, NothingKnownIsNull) {
  const SystemPaths nowhere{
      .proc = folder_ / "none", .cgroup = folder_ / "none", .virtio = folder_ / "none"};
  EXPECT_EQ(available_memory_bytes(nowhere), std::nullopt);
  EXPECT_EQ(most_memory_bytes(nowhere), std::nullopt);
  EXPECT_EQ(total_memory_bytes(nowhere), std::nullopt);
  EXPECT_EQ(cpu_quota(nowhere), std::nullopt);
  EXPECT_NO_THROW(check_memory(std::numeric_limits<std::int64_t>::max(), nowhere));
}

/// What a case adds to the cgroups' files of those before it in its group.
struct CgroupCase {
  const char* what;
  const char* own;  ///< /proc/self/cgroup
  std::vector<std::pair<const char*, const char*>> files;
  std::int64_t available;
  std::optional<double> quota = {};
};

const std::vector<CgroupCase> kCgroups[] = {
    {{"without limits the kernel says", "0::/", {}, kAll}},
    {{"limit less use",
      "0::/job",
      {{"job/memory.max", "5000000"}, {"job/memory.current", "3000000"}},
      2'000'000},
     {"what is reclaimable is not used",
      "0::/job",
      {{"job/memory.stat",
        "anon 1\nfile 99\ninactive_anon 7\ntotal_inactive_file 5\ninactive_file 400000"}},
      2'400'000},
     {"over its limit", "0::/job", {{"job/memory.current", "5400001"}}, 0},
     {"max is no limit",
      "0::/job",
      {{"job/memory.max", "max"}, {"job/cpu.max", "max 1000"}},
      kAll}},
    {{"no memory.max", "0::/job", {{"job/memory.current", "3000000"}}, kAll}},
    {{"the tightest of all parents",
      "0::/slurm/job/step",
      {{"slurm/job/step/memory.max", "max"},
       {"slurm/job/step/memory.current", "100"},
       {"slurm/job/memory.max", "9000000"},
       {"slurm/job/memory.current", "1000000"},
       {"slurm/memory.max", "9500000"},
       {"slurm/memory.current", "8500000"},
       {"slurm/job/cpu.max", "400000 100000"}},
      1'000'000,
      4.0},
     {"the root and a parent",
      "0::/slurm/job/step",
      {{"memory.max", "700000"}, {"memory.current", "0"}, {"slurm/cpu.max", "50000 100000"}},
      700'000,
      0.5},
     {"its own", "0::/slurm/job/step", {{"slurm/job/step/memory.max", "300"}}, 200, 0.5}},
    {{"a path outside of the container means the mounted root",
      "0::/system.slice/docker-0123.scope",
      {{"memory.max", "6000000"}, {"memory.current", "1000000"}, {"cpu.max", "150000 100000"}},
      5'000'000,
      1.5},
     {"as seen from a cgroup namespace", "0::/../..", {}, 5'000'000, 1.5}},
    {{"version 1",
      "12:pids:/p\n5:cpu,cpuacct:/job\n4:memory:/job/step\n3:cpuset:/\n0::/elsewhere",
      {{"memory/job/step/memory.limit_in_bytes", "9223372036854771712"},  // none
       {"memory/job/step/memory.usage_in_bytes", "1000"},
       {"memory/job/memory.limit_in_bytes", "4000000"},
       {"memory/job/memory.usage_in_bytes", "3500000"},
       {"memory/job/memory.stat", "inactive_file 7\ntotal_inactive_file 200000"},
       {"cpu/job/cpu.cfs_quota_us", "250000"},
       {"cpu/job/cpu.cfs_period_us", "100000"}},
      700'000,
      2.5},
     {"names that hold others", "4:memory_fake:/job\n5:cpuset:/job\n6:cpuacct:/job", {}, kAll},
     {"-1 is no quota", "5:cpu,cpuacct:/job", {{"cpu/job/cpu.cfs_quota_us", "-1"}}, kAll}},
};

TEST_F(Limits, AreThoseOfTheCgroupsThatTheProcessIsIn) {
  EXPECT_EQ(total_memory_bytes(paths_), 16'000'000 * kKib);
  for (const auto& group : kCgroups) {
    const Machine machine;
    for (const auto& [what, own, files, available, quota] : group) {
      machine.put("proc/self/cgroup", own + std::string("\n"));
      for (const auto& [name, text] : files)
        machine.put(std::string("cgroup/") + name, text + std::string("\n"));
      EXPECT_EQ(machine.available(), available) << what;
      EXPECT_EQ(cpu_quota(machine.paths_), quota) << what;
    }
  }
  fs::remove(folder_ / "proc/self/cgroup");
  put("cgroup/memory.max", "1000\n");
  put("cgroup/memory.current", "10\n");
  EXPECT_EQ(available(), kAll) << "nothing says which cgroups";
}

TEST_F(Limits, CheckMemoryThrowsBeyondWhatIsThere) {
  EXPECT_NO_THROW(check_memory(kAll, paths_));
  EXPECT_THAT(message_of<ResourceError>([&] { check_memory(kAll + 1, paths_); }),
              AllOf(HasSubstr("8.19 GB"), HasSubstr("--mem"), Not(HasSubstr("\n"))));
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
  EXPECT_THAT(
      message_of<ResourceError>([&] { check_memory(most + 1, paths_); }),
      AllOf(HasSubstr("8.19 GB are available (cgroup limits included), and "),
            HasSubstr("if this virtual machine's memory grows; a smaller"), Not(HasSubstr("\n"))));
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
  EXPECT_EQ(message_of<ResourceError>([&] { check_threads(20000, paths_); }),
            "20000 threads need 0.98 GB of memory and 0.20 GB are available (cgroup limits "
            "included); fewer --num_workers would do");
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
  EXPECT_EQ(bytes, kAll);
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
