// SPDX-License-Identifier: Apache-2.0
#include "common/topology.hpp"

#include "common/error.hpp"
#include "machines.hpp"
#include "support.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace convscale {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;

std::vector<std::string> texts_of(const std::vector<Cache>& caches) {
  std::vector<std::string> texts;
  for (const Cache& cache : caches)
    texts.push_back(fmt::format("{} {} {}", cache.name, cache.bytes, cache.count));
  return texts;
}

TEST(Topology, CountsOfASyntheticMachine) {
  const Topology machine("pack:2 [numa] l3:1(size=33554432) core:4 pu:2");
  EXPECT_EQ(machine.sockets(), 2);
  EXPECT_EQ(machine.numa_nodes(), 2);
  EXPECT_EQ(machine.cores(), 8);
  EXPECT_EQ(machine.threads(), 16);
  EXPECT_EQ(machine.affinity(), "0-15");
  EXPECT_THAT(texts_of(machine.caches()), ElementsAre("L3 33554432 2"));
  EXPECT_EQ(machine.last_cache_bytes(), 2 * 33554432);
}

TEST(Topology, CachesFromTheNearestToTheLast) {
  const Topology machine(
      "pack:1 l3:2(size=1000000) l2:2(size=100000) l1d:1(size=10000) core:1 pu:1");
  EXPECT_THAT(texts_of(machine.caches()),
              ElementsAre("L1d 10000 4", "L2 100000 4", "L3 1000000 2"));
  EXPECT_EQ(machine.last_cache_bytes(), 2'000'000);
}

/// Spread takes cores first, nodes in turn and siblings last; compact takes neighbours first.
TEST(Topology, OrdersOfProcessors) {
  using Cpus = std::vector<int>;
  const struct {
    const char* machine;
    Bind bind;
    Cpus order;
  } cases[] = {
      // Two sockets with a NUMA node each; core c of both has processors 2c and 2c + 1.
      {"pack:2 [numa] core:4 pu:2",
       Bind::kSpread,
       {0, 8, 2, 10, 4, 12, 6, 14, 1, 9, 3, 11, 5, 13, 7, 15}},
      {"pack:2 [numa] core:4 pu:2",
       Bind::kCompact,
       {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
      {"pack:2 [numa] core:4 pu:2", Bind::kNone, {}},
      {"pack:1 core:4 pu:1", Bind::kSpread, {0, 1, 2, 3}},
      {"pack:1 core:3 pu:2", Bind::kSpread, {0, 2, 4, 1, 3, 5}},
      {"pack:2 numa:2 core:2 pu:1", Bind::kSpread, {0, 2, 4, 6, 1, 3, 5, 7}},
      {"pack:2 [numa] core:1 pu:4", Bind::kSpread, {0, 4, 1, 5, 2, 6, 3, 7}},
      // Numbered as Linux does: all first hardware threads, then all second ones.
      {"pack:1 core:3 pu:2(indexes=0,3,1,4,2,5)", Bind::kSpread, {0, 1, 2, 3, 4, 5}},
      {"pack:1 core:3 pu:2(indexes=0,3,1,4,2,5)", Bind::kCompact, {0, 3, 1, 4, 2, 5}},
      {"pu:1", Bind::kSpread, {0}},
      {"pack:2 numa:2 l3:2 core:1 pu:2",
       Bind::kSpread,
       {0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15}},
  };
  for (const auto& [machine, bind, order] : cases)
    EXPECT_EQ(Topology(machine).order(bind), order) << machine << ", " << name_of(bind);
}

cpu_set_t mask_of_this_thread() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  EXPECT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  return mask;
}

TEST(OddMachine, CachesOfOneLevelMayDiffer) {
  const Topology machine(testing::unequal_caches());
  EXPECT_THAT(texts_of(machine.caches()),
              ElementsAre("L2 1048576 4", "L3 100663296 1", "L3 33554432 1"));
  EXPECT_EQ(machine.last_cache_bytes(), 128 << 20);
}

TEST(OddMachine, ProcessorsWithoutCoresAreTheirOwn) {
  const Topology machine(testing::only_processors());
  EXPECT_EQ(machine.sockets(), 1);
  EXPECT_EQ(machine.cores(), 4);
  EXPECT_EQ(machine.threads(), 4);
  EXPECT_EQ(machine.numa_nodes(), 1);
  EXPECT_THAT(machine.caches(), IsEmpty());
  EXPECT_EQ(machine.last_cache_bytes(), 0);
  EXPECT_THAT(machine.order(Bind::kSpread), ElementsAre(0, 1, 2, 3));
}

TEST(OddMachine, WithoutHardwareThreadsNumbersHaveGaps) {
  const Topology machine(testing::smt_off());
  EXPECT_EQ(machine.cores(), 3);
  EXPECT_EQ(machine.threads(), 3);
  EXPECT_EQ(machine.affinity(), "0,2,4");
  for (const Bind bind : {Bind::kSpread, Bind::kCompact})
    EXPECT_THAT(machine.order(bind), ElementsAre(0, 2, 4));
}

TEST(OddMachine, FastAndSlowCores) {
  const Topology machine(testing::fast_and_slow_cores());
  EXPECT_EQ(machine.cores(), 8);
  EXPECT_EQ(machine.threads(), 10);
  EXPECT_THAT(texts_of(machine.caches()), ElementsAre("L1d 49152 2", "L1d 32768 6", "L2 2097152 3",
                                                      "L2 4194304 1", "L3 25165824 1"));
  // Two slow cores have no third level: their second is the last.
  EXPECT_EQ(machine.last_cache_bytes(), (24 + 2) << 20);
  EXPECT_THAT(machine.order(Bind::kSpread), ElementsAre(0, 2, 4, 5, 6, 7, 8, 9, 1, 3));
  EXPECT_THAT(machine.order(Bind::kCompact), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(OddMachine, WhatIsOfflineDoesNotCount) {
  const Topology machine(testing::offline_processors());
  EXPECT_EQ(machine.sockets(), 2);
  EXPECT_EQ(machine.cores(), 3);
  EXPECT_EQ(machine.threads(), 3);
  EXPECT_EQ(machine.affinity(), "0,2-3");
  EXPECT_EQ(machine.last_cache_bytes(), 32 << 20);
  EXPECT_THAT(machine.order(Bind::kCompact), ElementsAre(0, 2, 3));
  EXPECT_EQ(machine.numa_node_of(1), 0) << "that is offline";
}

TEST(OddMachine, CachesOfUnknownSizeAreUnknown) {
  const Topology machine(testing::caches_of_unknown_size());
  EXPECT_THAT(machine.caches(), IsEmpty());
  EXPECT_EQ(machine.last_cache_bytes(), 0);
}

/// Where hwloc cannot read the machine, its processors are known all the same.
TEST(OddMachine, OneThatHwlocCannotReadHasProcessors) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const testing::TemporaryFolder folder;
  const std::string path = (folder / "machine.xml").string();
  std::ofstream(path) << testing::no_numa_node();
  EXPECT_EXIT(
      {
        const cpu_set_t mask = mask_of_this_thread();
        setenv("HWLOC_XMLFILE", path.c_str(), 1);
        const Topology machine;
        const int cpus = CPU_COUNT(&mask);
        const std::vector<int> order = machine.order(Bind::kSpread);
        const bool right = machine.threads() == cpus && machine.cores() == cpus &&
                           machine.numa_nodes() == 1 && std::ssize(order) == cpus &&
                           CPU_ISSET(static_cast<std::size_t>(order.back()), &mask);
        machine.pin(order.back());
        _exit(right && sched_getcpu() == order.back() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Topology, NonsenseIsAUsageError) {
  EXPECT_THAT(message_of<UsageError>([] { Topology("a machine of steam"); }),
              HasSubstr("a machine of steam"));
}

TEST(Topology, ThisMachineIsTheAffinityMask) {
  const Topology machine;
  const cpu_set_t mask = mask_of_this_thread();
  EXPECT_EQ(machine.threads(), CPU_COUNT(&mask));
  EXPECT_GE(machine.cores(), 1);
  EXPECT_LE(machine.cores(), machine.threads());
  EXPECT_GE(machine.numa_nodes(), 1);
  const std::vector<int> order = machine.order(Bind::kSpread);
  EXPECT_EQ(order.size(), static_cast<std::size_t>(machine.threads()));
  for (const int cpu : order) EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) << cpu;
}

TEST(Topology, AMaskOfOneProcessorIsAMachineOfOne) {
  const int last = [] {
    const cpu_set_t mask = mask_of_this_thread();
    int cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) --cpu;
    return cpu;
  }();
  // In a child, since the mask that counts is that of the process; one that starts afresh, since a
  // sanitizer allows little after a fork.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<std::size_t>(last), &one);
        sched_setaffinity(0, sizeof(one), &one);
        const Topology machine;
        const bool right =
            machine.threads() == 1 && machine.order(Bind::kCompact) == std::vector<int>{last};
        _exit(right ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Topology, PinMovesTheCallingThreadOnly) {
  const Topology machine;
  const int cpu = machine.order(Bind::kSpread).front();
  const cpu_set_t before = mask_of_this_thread();
  std::thread([&] {
    machine.pin(cpu);
    const cpu_set_t pinned = mask_of_this_thread();
    EXPECT_EQ(CPU_COUNT(&pinned), 1);
    EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(cpu), &pinned));
    EXPECT_EQ(sched_getcpu(), cpu);
    EXPECT_THAT(message_of<ResourceError>([&] { machine.pin(100'000); }), HasSubstr("CPU 100000"));
  }).join();
  const cpu_set_t after = mask_of_this_thread();
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace convscale
