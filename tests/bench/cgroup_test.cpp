// SPDX-License-Identifier: Apache-2.0
// The program in a memory cgroup of its own, where the kernel kills what takes more than its limit.
#include "bench/outcome.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A memory cgroup with a limit of 140 MB, of version 1 or 2; where we may make none, tests skip.
class MemoryCgroup : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers take memory of their own";
#endif
    for (const auto& [parent, limit] : {std::pair{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                                        {"/sys/fs/cgroup", "memory.max"}}) {
      std::error_code error;
      const fs::path group = fs::path(parent) / ("convscale-test-" + std::to_string(getpid()));
      if (!fs::create_directory(group, error)) continue;
      group_ = group;
      if (std::ofstream(group / limit) << 140'000'000 << std::flush) return;
      TearDown();
    }
    GTEST_SKIP() << "a memory cgroup cannot be made here";
  }
  void TearDown() override {
    if (!group_.empty()) rmdir(group_.c_str());
    group_.clear();
  }

  /// Runs the program, which may be killed.
  testing::Outcome run(const std::string& args) const {
    const std::string command = "echo $$ > " + (group_ / "cgroup.procs").string() + " && exec " +
                                CONVSCALE_PROGRAM + " --size 20 --mem 4000 --iterations 1 " + args +
                                " > " + (folder_ / "out").string() + " 2> " +
                                (folder_ / "err").string();
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            testing::read_text(folder_ / "out"), testing::read_text(folder_ / "err")};
  }

  const testing::TemporaryFolder folder_;
  fs::path group_;
};

TEST_F(MemoryCgroup, ManyWorkersAreRefusedBeforeTheyStart) {
  EXPECT_EQ(run("-w 20").code, 0);
  testing::expect_one_line_error(run("-w 20000"), 5, "20000 threads need 0.98 GB of memory and 0.");
}

TEST_F(MemoryCgroup, ManyWorkersOfALaterRowLeaveTheOthers) {
  for (const char* way : {"", " --interleave"}) {
    const testing::Outcome list = run("-w 2,20000,3 --json -" + std::string(way));
    EXPECT_EQ(list.code, 5) << list.err;
    EXPECT_THAT(list.err, HasSubstr("20000 threads need "));
    const auto records = nlohmann::json::parse(list.out).at("records");
    ASSERT_EQ(records.size(), 3u);
    EXPECT_EQ(records[0].at("status"), "ok");
    EXPECT_EQ(records[1].at("status"), "failed");
    EXPECT_EQ(records[2].at("status"), "ok");
  }
}

/// What is let through fits: the allowance for a thread is not too small.
TEST_F(MemoryCgroup, AsManyWorkersAsAreLetThroughAreNotKilled) {
  int refused = 0;
  for (const int workers : {2000, 3500}) {
    const testing::Outcome outcome = run("--method strided -w " + std::to_string(workers));
    EXPECT_THAT(outcome.code, ::testing::AnyOf(0, 5)) << workers << outcome.err;
    if (outcome.code == 5) ++refused;
  }
  EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace convscale
