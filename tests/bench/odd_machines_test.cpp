// SPDX-License-Identifier: Apache-2.0
// The program on machines that hwloc describes in files. It runs on this one, where processors of
// those may not be: with HWLOC_THISSYSTEM workers are pinned all the same, or it is said why not.
#include "bench/outcome.hpp"
#include "machines.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::OddMachine;
using testing::Outcome;
using testing::run;

std::vector<std::string> small(std::vector<std::string> more) {
  more.insert(more.end(),
              {"--size", "20x30", "--mem", "3000", "--iterations", "1", "--burns", "0"});
  return more;
}

class OnOddMachine : public ::testing::TestWithParam<OddMachine> {
 protected:
  void SetUp() override {
    const std::string path = (folder_ / "machine.xml").string();
    std::ofstream(path) << GetParam().xml;
    setenv("HWLOC_XMLFILE", path.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("HWLOC_XMLFILE");
    unsetenv("HWLOC_THISSYSTEM");
  }

  const testing::TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Machines, OnOddMachine, ::testing::ValuesIn(testing::odd_machines()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(OnOddMachine, ListsItsProcessors) {
  const Outcome list = run({"--list"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr(" sockets, "));
  EXPECT_THAT(list.out, Not(HasSubstr(", 0 ")));
  EXPECT_THAT(list.out, Not(HasSubstr("(, ")));
}

TEST_P(OnOddMachine, RunsWithEveryBindingAndSchedule) {
  for (const char* bind : {"spread", "compact", "none"}) {
    for (const char* schedule : {"static", "split"}) {
      const Outcome outcome =
          run(small({"--bind", bind, "--schedule", schedule, "-w", "5", "--json", "-"}));
      ASSERT_EQ(outcome.code, 0) << outcome.err;
      EXPECT_THAT(outcome.out, Not(HasSubstr("share 0")));
      const auto document = nlohmann::json::parse(outcome.out);
      const auto& host = document.at("host");
      for (const char* count : {"sockets", "cores", "threads", "numa_nodes"})
        EXPECT_GE(host.at(count), 1) << count;
      EXPECT_GE(host.at("threads"), host.at("cores"));
      for (const auto& cache : host.at("caches")) {
        EXPECT_GT(cache.at("bytes"), 0);
        EXPECT_GT(cache.at("count"), 0);
      }
      const auto& cpus = document.at("records")[0].at("cpus");
      EXPECT_EQ(cpus.is_null(), bind == std::string("none"));
      EXPECT_TRUE(cpus.is_null() || cpus.size() == 5);
    }
  }
}

TEST_P(OnOddMachine, PinsOrSaysWhyNot) {
  setenv("HWLOC_THISSYSTEM", "1", 1);
  for (const char* bind : {"spread", "compact", "none"}) {
    const Outcome outcome = run(small({"--bind", bind, "-w", "12"}));
    if (outcome.code == 0) continue;
    testing::expect_one_line_error(outcome, 5, "cannot pin a worker to CPU ");
    EXPECT_THAT(outcome.err, HasSubstr("--bind none would do"));
    EXPECT_STRNE(bind, "none");
  }
}

}  // namespace
}  // namespace convscale
