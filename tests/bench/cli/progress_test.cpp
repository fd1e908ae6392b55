// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace convscale {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using Step = Progress::Step;

TEST(Progress, NamesTheRowAndTheStep) {
  std::ostringstream terminal;
  {
    Progress progress(terminal, true, 6);
    progress.begin_row("row 2 of 6");
    progress.begin(Step::kMeasuring);
    EXPECT_THAT(terminal.str(), HasSubstr("row 2 of 6: measuring"));
  }
  EXPECT_THAT(terminal.str(), EndsWith("\r\033[K"));
}

TEST(Progress, OfASingleRowNamesTheStepOnly) {
  std::ostringstream terminal;
  Progress progress(terminal, true);
  progress.begin_row("");
  progress.begin(Step::kMeasuring);
  EXPECT_THAT(terminal.str(), HasSubstr("measuring"));
  EXPECT_THAT(terminal.str(), Not(HasSubstr(": ")));
}

TEST(Progress, IsSilentWhereItIsSwitchedOff) {
  std::ostringstream terminal;
  {
    Progress progress(terminal, false);
    progress.begin_row("row 2 of 6");
    progress.begin(Step::kMeasuring);
    progress.update(0.5);
  }
  EXPECT_EQ(terminal.str(), "");
}

TEST(Progress, CountsAllRowsByTheirWork) {
  std::ostringstream terminal;
  Progress progress(terminal, true, 4);
  progress.begin_row("row 1 of 2", 3);
  progress.begin(Step::kVerifying);
  progress.begin_row("row 2 of 2", 1);
  terminal.str("");
  progress.begin(Step::kGenerating);
  EXPECT_THAT(terminal.str(), HasSubstr(" 75 %"));
}

TEST(Progress, DoesNotGoBackWhereRowsTakeTurns) {
  std::ostringstream terminal;
  Progress progress(terminal, true);
  progress.begin_row("2 rows in turn");
  progress.begin(Step::kVerifying);
  terminal.str("");
  progress.begin(Step::kGenerating);
  EXPECT_THAT(terminal.str(), HasSubstr(" 85 %"));
}

TEST(Progress, RowsInTurnArePartsOfAStep) {
  std::ostringstream terminal;
  Progress progress(terminal, true);
  progress.begin_row("4 rows in turn");
  progress.begin_part(3, 4);
  progress.begin(Step::kVerifying);
  EXPECT_THAT(terminal.str(), HasSubstr(" 96 %"));  // 85 % and three quarters of 15 %
}

TEST(Progress, DoesNotCountARowThatIsDropped) {
  std::ostringstream terminal;
  Progress progress(terminal, true, 4);
  progress.begin_row("row 1 of 2", 3);
  progress.drop_row();
  progress.begin_row("row 2 of 2", 1);
  progress.begin(Step::kGenerating);
  EXPECT_THAT(terminal.str(), HasSubstr("  0 %"));
}

TEST(Progress, HasNoBarForARowThatTheTotalDoesNotKnow) {
  std::ostringstream terminal;
  Progress progress(terminal, true);
  progress.begin_row("row");
  progress.begin_row("break-even", 0);
  progress.begin(Step::kMeasuring);
  EXPECT_THAT(terminal.str(), EndsWith("break-even: measuring"));
}

TEST(ProgressLine, ShrinksToTheTerminal) {
  const auto line = [](std::size_t columns) {
    return progress_line("row 2 of 12 (cpu avx512 full)", "measuring", 0.5, "3 min 20 s", columns);
  };
  EXPECT_EQ(line(200),
            "row 2 of 12 (cpu avx512 full): measuring  [###############...............]  50 %  "
            "3 min 20 s left");
  EXPECT_THAT(line(80), HasSubstr("measuring  ["));
  EXPECT_THAT(line(60), HasSubstr("row 2 of 12 ["));
  EXPECT_EQ(line(30), " 50 %  3 min 20 s left");
  for (std::size_t columns = 1; columns < 120; ++columns)
    EXPECT_LT(line(columns).size(), columns) << columns;
}

TEST(ProgressLine, OfASingleRow) {
  EXPECT_EQ(progress_line("", "measuring", 0.25, "", 28), "measuring  [##......]  25 %");
  EXPECT_EQ(progress_line("", "measuring", 0.25, "", 20), " 25 %");
}

TEST(FormatDuration, HasTheUnitsThatMatter) {
  EXPECT_EQ(format_duration(0.4), "0 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(200), "3 min 20 s");
  EXPECT_EQ(format_duration(3900), "1 h 05 min");
}

}  // namespace
}  // namespace convscale
