// SPDX-License-Identifier: Apache-2.0
#include "bench/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace convscale {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Progress, NamesTheRowAndTheStep) {
  std::ostringstream terminal;
  {
    Progress progress(terminal, true, "row 2 of 6");
    progress.begin("measuring");
    EXPECT_THAT(terminal.str(), HasSubstr("row 2 of 6: measuring"));
  }
  EXPECT_TRUE(terminal.str().ends_with("\r\033[K"));
}

TEST(Progress, OfASingleRowNamesTheStepOnly) {
  std::ostringstream terminal;
  Progress progress(terminal, true);
  progress.begin("measuring");
  EXPECT_THAT(terminal.str(), HasSubstr("measuring"));
  EXPECT_THAT(terminal.str(), Not(HasSubstr(": ")));
}

TEST(Progress, IsSilentWhereItIsSwitchedOff) {
  std::ostringstream terminal;
  {
    Progress progress(terminal, false, "row 2 of 6");
    progress.begin("measuring");
    progress.update(0.5);
  }
  EXPECT_EQ(terminal.str(), "");
}

}  // namespace
}  // namespace convscale
