// SPDX-License-Identifier: Apache-2.0
#include "cpu/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace convscale {
namespace {

std::optional<std::string> placement(const char* machine, int workers, Bind bind,
                                     Schedule schedule = Schedule::kStatic) {
  const Topology topology(machine);
  Config config;
  config.num_workers = workers;
  config.schedule = schedule;
  const std::vector<int> cpus = topology.order(bind);
  return placement_of(topology, config, cpus);
}

constexpr const char* kOneNode = "pack:1 [numa] core:4 pu:2";
constexpr const char* kTwoNodes = "pack:2 [numa] core:4 pu:1";

TEST(Placement, NamesTheNodeOfEachWorkerWhereThereAreSeveral) {
  EXPECT_EQ(placement(kOneNode, 1, Bind::kSpread), "");
  EXPECT_EQ(placement(kOneNode, 4, Bind::kNone), "");
  EXPECT_EQ(placement(kOneNode, 8, Bind::kCompact, Schedule::kSplit), "");
  EXPECT_EQ(placement(kTwoNodes, 4, Bind::kSpread), "images 0 1 0 1");
  EXPECT_EQ(placement(kTwoNodes, 4, Bind::kSpread, Schedule::kDynamic), "images 0 1 0 1");
  EXPECT_EQ(placement(kTwoNodes, 6, Bind::kCompact), "images 0 0 0 0 1 1");
  EXPECT_EQ(placement(kTwoNodes, 9, Bind::kCompact), "images 0 0 0 0 1 1 1 1 0") << "in turn";
  EXPECT_EQ(placement(kTwoNodes, 2, Bind::kSpread, Schedule::kSplit), "rows 5 0 1");
  EXPECT_EQ(placement(kTwoNodes, 4, Bind::kNone), std::nullopt) << "they move";
}

std::vector<int> processors(const char* machine, Bind bind, int part, int parts) {
  const Topology topology(machine);
  Config config;
  config.bind = bind;
  return processors_of(topology, config, {.host_part = part, .host_parts = parts});
}

using Cpus = std::vector<int>;

TEST(Processors, AsManyProcessesAsNodesGetOneEachAndMoreShare) {
  EXPECT_EQ(processors(kTwoNodes, Bind::kCompact, 0, 1), (Cpus{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(processors(kTwoNodes, Bind::kSpread, 0, 2), (Cpus{0, 1, 2, 3}));
  EXPECT_EQ(processors(kTwoNodes, Bind::kSpread, 1, 2), (Cpus{4, 5, 6, 7}));
  EXPECT_EQ(processors(kTwoNodes, Bind::kCompact, 1, 2), (Cpus{4, 5, 6, 7}));
  EXPECT_EQ(processors(kTwoNodes, Bind::kCompact, 9, 10), (Cpus{1}));
  EXPECT_EQ(processors(kTwoNodes, Bind::kNone, 1, 2), Cpus());
}

TEST(Processors, AreDividedWithoutRemainder) {
  for (const Bind bind : {Bind::kSpread, Bind::kCompact}) {
    Cpus all;
    for (int part = 0; part < 3; ++part) {
      const Cpus mine = processors(kOneNode, bind, part, 3);
      EXPECT_GE(mine.size(), 2u);
      all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, (Cpus{0, 1, 2, 3, 4, 5, 6, 7}));
  }
}

}  // namespace
}  // namespace convscale
