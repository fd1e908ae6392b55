// SPDX-License-Identifier: Apache-2.0
#include "common/host.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace convscale {
namespace {

TEST(HostInfo, CountsAreThoseOfTheTopology) {
  const HostInfo host = host_info(Topology("pack:2 [numa] l3:1(size=1000000) core:4 pu:2"));
  EXPECT_EQ(host.sockets, 2);
  EXPECT_EQ(host.cores, 8);
  EXPECT_EQ(host.threads, 16);
  EXPECT_EQ(host.numa_nodes, 2);
  EXPECT_TRUE(host.smt);
  EXPECT_EQ(host.affinity, "0-15");
  ASSERT_EQ(host.caches.size(), 1u);
  EXPECT_EQ(host.caches[0].bytes, 1'000'000);
  EXPECT_FALSE(host_info(Topology("pack:1 core:4 pu:1")).smt);
}

TEST(HostInfo, OfThisMachine) {
  const HostInfo host = host_info(Topology());
  char name[256] = {};
  ASSERT_EQ(gethostname(name, sizeof(name) - 1), 0);
  EXPECT_EQ(host.name, name);
  EXPECT_NE(host.os.find("Linux"), std::string::npos);
  EXPECT_GT(host.memory_bytes.value_or(0), 0);
  EXPECT_GE(host.load.value_or(0), 0);
  EXPECT_EQ(host.isa, instruction_sets());
  for (const auto& text : {host.governor, host.huge_pages, host.hypervisor}) {
    if (text) {
      EXPECT_EQ(text->find_first_of("[]\n"), std::string::npos) << *text;
    }
  }
}

TEST(InstructionSets, AreThoseThatTheKernelLists) {
  std::ifstream file("/proc/cpuinfo");
  std::vector<std::string> flags;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) flags.push_back(word);
    break;
  }
  if (flags.empty()) GTEST_SKIP() << "no x86 flags in /proc/cpuinfo";
  const std::vector<std::string> sets = instruction_sets();
  for (const char* set : {"avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"}) {
    EXPECT_EQ(std::count(sets.begin(), sets.end(), set),
              std::count(flags.begin(), flags.end(), set))
        << set;
  }
}

}  // namespace
}  // namespace convscale
