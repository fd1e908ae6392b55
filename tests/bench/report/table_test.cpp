// SPDX-License-Identifier: Apache-2.0
#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace convscale {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

Record record_of(double median_s) {
  Record r;
  r.config.shape = {.images = 33, .height = 1000, .width = 1000};
  r.config.num_workers = 4;
  r.times_s = {median_s};
  r.summary = summarize(r.times_s);
  return r;
}

Record skipped(const std::string& reason) {
  Record r = record_of(1);
  r.summary.reset();
  r.times_s.clear();
  r.status = Status::kSkipped;
  r.reason = reason;
  return r;
}

std::vector<std::string> lines_of(const std::vector<Record>& records) {
  Report report;
  report.records = records;
  std::istringstream stream(table_text(report));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The words of a line.
std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> found;
  for (std::string word; stream >> word;) found.push_back(word);
  return found;
}

TEST(TableText, HasARowForEachRecord) {
  std::vector<Record> records{record_of(0.5), record_of(0.25), record_of(1)};
  records[1].config.backend = "a-long-backend-name";
  const auto lines = lines_of(records);
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_EQ(lines[0],
            "In all rows: method full, dtype float64, size 1000x1000, images 33, workers 4");
  EXPECT_THAT(lines[1], StartsWith("row  backend "));
  EXPECT_THAT(lines[2], StartsWith("  1  cpu "));
  EXPECT_THAT(lines[2], HasSubstr("500.0 ms"));
  EXPECT_THAT(lines[3], HasSubstr("a-long-backend-name"));
  // Right-aligned columns end below their title.
  const std::size_t end = lines[1].find("images/s") + 8;
  EXPECT_EQ(lines[2].find(" 66.0") + 5, end);
  EXPECT_EQ(lines[3].find("132.0") + 5, end);
  for (const std::string& line : lines) EXPECT_THAT(line, Not(HasSubstr("Untimed")));
}

TEST(TableText, ShowsAnOptionThatIsNotTheUsualOne) {
  Record r = record_of(0.5);
  r.config.scope = Scope::kResident;
  r.config.shape.filter_size = 7;
  r.config.shape.stride = 1;
  r.config.host_memory = HostMemory::kPageable;
  const auto lines = lines_of({r});
  for (const char* title : {"scope", "filter", "stride", "host memory"})
    EXPECT_THAT(lines[0], HasSubstr(title));
  for (const char* value : {"resident", "7x7", "pageable"}) EXPECT_THAT(lines[1], HasSubstr(value));
  // In a list it stands above, as it is the same in all rows.
  const auto list = lines_of({r, r});
  EXPECT_THAT(list[0], HasSubstr("scope resident, host memory pageable, dtype float64"));
  EXPECT_THAT(list[0], HasSubstr("filter 7x7, stride 1"));
  EXPECT_THAT(list[1], Not(HasSubstr("scope")));
}

TEST(TableText, HasAColumnForWhatDiffers) {
  std::vector<Record> records{record_of(0.5), record_of(0.5)};
  records[1].config.scope = Scope::kResident;
  records[1].config.num_workers = 8;
  const auto lines = lines_of(records);
  EXPECT_EQ(lines[0], "In all rows: method full, dtype float64, size 1000x1000, images 33");
  EXPECT_THAT(lines[1], HasSubstr("scope"));
  EXPECT_THAT(lines[1], HasSubstr("workers"));
  EXPECT_THAT(lines[2], HasSubstr("end-to-end"));
  EXPECT_THAT(lines[3], HasSubstr("resident"));
}

TEST(TableText, ComparesSpeedsWithTheFirstRowThatRan) {
  std::vector<Record> records{skipped("no"), record_of(0.5), record_of(0.25), record_of(2),
                              record_of(0.002)};
  const auto lines = lines_of(records);
  EXPECT_TRUE(lines[1].ends_with("vs first"));
  EXPECT_EQ(words(lines[2]).back(), "-");
  EXPECT_EQ(words(lines[3]).back(), "1.00");
  EXPECT_EQ(words(lines[4]).back(), "2.00");
  EXPECT_EQ(words(lines[5]).back(), "0.25");
  EXPECT_EQ(words(lines[6]).back(), "250");
}

TEST(TableText, MarksWhatTheHardwareCannotDo) {
  std::vector<Record> records{record_of(0.5), record_of(0.5), record_of(0.5)};
  records[0].fraction = 1.02;
  records[1].fraction = 1.03;
  const auto lines = lines_of(records);
  EXPECT_THAT(lines[2], HasSubstr(" 1.02 "));
  EXPECT_THAT(lines[3], HasSubstr(" 1.03!"));
  EXPECT_THAT(lines[4], Not(HasSubstr("!")));
}

TEST(TableText, ShowsHowSureAComparisonIs) {
  std::vector<Record> records{record_of(0.5), record_of(0.25), record_of(0.25), record_of(62.5)};
  for (Record& r : records) r.summary->median_interval = {r.summary->median, r.summary->median};
  records[3].summary->median_interval = {62, 63};
  records[1].summary->median_interval = {0.2, 0.26};
  records[2].summary->median_interval = {0.2499, 0.25};
  const auto lines = lines_of(records);
  EXPECT_TRUE(lines[2].ends_with(" 1.00")) << lines[2];
  EXPECT_TRUE(lines[3].ends_with(" 2.00 ±0.50")) << lines[3];
  EXPECT_TRUE(lines[4].ends_with(" 2.000 ±0.001")) << lines[4];
  EXPECT_TRUE(lines[5].ends_with(" 0.00800 ±0.00007")) << lines[5];
  // Columns are counted, not bytes.
  EXPECT_EQ(lines[1].size() + 1, lines[4].size());
}

TEST(TableText, ComparesWithinAMethodAndNoFailedRows) {
  std::vector<Record> records{record_of(9),     record_of(0.5),   record_of(0.25),
                              record_of(0.125), record_of(0.125), record_of(0.0625)};
  records[4].config.method = Method::kStrided;
  records[5].config.method = Method::kStrided;
  records[5].config.scope = Scope::kResident;
  records[0].status = Status::kFailed;
  records[2].config.method = Method::kStrided;
  records[3].status = Status::kFailed;
  const auto lines = lines_of(records);
  EXPECT_THAT(lines[1], HasSubstr("  status  "));
  EXPECT_THAT(lines[2], HasSubstr("  failed   9.000 s  "));
  EXPECT_EQ(words(lines[2]).back(), "-");
  EXPECT_EQ(words(lines[3]).back(), "1.00");
  EXPECT_EQ(words(lines[4]).back(), "1.00") << "the first of its method";
  EXPECT_EQ(words(lines[5]).back(), "-");
  EXPECT_EQ(words(lines[6]).back(), "2.00") << "against the first of its method";
  EXPECT_EQ(words(lines[7]).back(), "1.00") << "the first of its scope";
}

TEST(TableText, SaysOnceWhyRowsHaveNoFigures) {
  std::vector<Record> records{skipped("no device"), record_of(0.5), skipped("no kernel"),
                              skipped("no device"), skipped("no device")};
  const auto lines = lines_of(records);
  ASSERT_THAT(lines, SizeIs(10));
  EXPECT_THAT(words(lines[2]),
              ElementsAre("1", "cpu", "auto", "-", "-", "-", "-", "-", "-", "-", "-"));
  EXPECT_EQ(lines[7], "");
  EXPECT_EQ(lines[8], "rows 1, 4, 5 skipped: no device");
  EXPECT_EQ(lines[9], "row 3 skipped: no kernel");
}

TEST(TableText, EndsWithWhenTheGpuPays) {
  Report report;
  report.records = {record_of(1), record_of(1)};
  BreakEven entry;
  entry.images_reason = "a fault";
  entry.passes_reason = "another";
  report.break_even = {entry};
  EXPECT_TRUE(table_text(report).ends_with(
      "\n\nFrom how many images on the GPU pays is not known: a fault\n"
      "After how many passes one upload has paid is not known: another\n"));
}

TEST(BreakEvenText, ShowsAFixedCostBelowZero) {
  BreakEven entry;
  entry.gpu.config.backend = "cuda";
  entry.cpu.line = TimeLine{-2e-5, 1e-3};
  entry.gpu.line = TimeLine{2e-3, 5e-4};
  entry.cpu.points = entry.gpu.points = {{1, 1}, {2, 2}, {5, 3}};
  entry.images_from = 5;
  entry.upload_s = 1;
  entry.resident_s = 0.5;
  entry.cpu_s = 1;
  entry.passes = 3;
  EXPECT_EQ(break_even_text({entry}),
            "The GPU pays from 5 images on (cpu -20.00 us + 1.000 ms an image; cuda end-to-end "
            "2.000 ms + 500.0 us an image; measured at 1, 2 and 5 images)\n"
            "One upload has paid after 3 passes over the same data (upload 1.000 s; a pass 500.0 "
            "ms on the GPU, 1.000 s on the CPU)\n");
}

TEST(RowsLabel, JoinsNeighbours) {
  EXPECT_EQ(rows_label({2}), "row 2");
  EXPECT_EQ(rows_label({2, 3}), "rows 2, 3");
  EXPECT_EQ(rows_label({2, 3, 4}), "rows 2-4");
  EXPECT_EQ(rows_label({1, 3, 4, 5, 7, 8, 10, 11, 12, 13}), "rows 1, 3-5, 7, 8, 10-13");
}

}  // namespace
}  // namespace convscale
