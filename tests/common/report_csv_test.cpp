// SPDX-License-Identifier: Apache-2.0
#include "common/report.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;
using Table = std::vector<std::vector<std::string>>;

/// A record with lists, texts and numbers in its cells.
Record full_record() {
  Record r;
  r.config.shape = {.images = 10, .height = 100, .width = 200, .filter_size = 3, .stride = 2};
  r.config.seed = 18446744073709551615u;
  r.facts.kernel = "avx2";
  r.facts.cpus = {0, 2, 5};
  r.warnings = {"first warning", "second, with a comma"};
  r.times_s = {0.01, 0.03, 0.02, 0.02};
  r.summary = summarize(r.times_s);
  r.bound = Bound{};
  r.bound->time_s = 0.01;
  r.verification = {VerificationStatus::kPassed, 51510, 0.375, ""};
  return r;
}

Record skipped_record() {
  Record r;
  r.status = Status::kSkipped;
  r.reason = "no \"avx512\" here, nor anything, like it | really\nnot";
  r.config.shape = {.images = 1, .height = 2, .width = 3};
  return r;
}

Report report_of(std::vector<Record> records) {
  Report report;
  report.argv = {"convscale", "--size", "1000"};
  report.started_at = "2000-01-02T03:04:05Z";
  report.host.name = "node1";
  report.records = std::move(records);
  return report;
}

Json json_of(const Report& report) { return Json::parse(to_json(report)); }
Json json_of(const Record& record) { return json_of(report_of({record}))["records"][0]; }

/// RFC 4180.
Table parse_csv(const std::string& text) {
  Table rows;
  std::vector<std::string> row;
  std::string cell;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cell += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      EXPECT_EQ(cell, "") << "a quote within a cell";
      quoted = true;
    } else if (c == ',' || c == '\n') {
      if (c == '\n') {
        EXPECT_TRUE(cell.ends_with('\r')) << "lines end with CR LF";
        cell.pop_back();
      }
      row.push_back(std::exchange(cell, ""));
      if (c == '\n') rows.push_back(std::exchange(row, {}));
    } else {
      cell += c;
    }
  }
  EXPECT_FALSE(quoted);
  EXPECT_THAT(row, IsEmpty());
  return rows;
}

std::string cell(const Table& table, std::size_t row, const std::string& column) {
  for (std::size_t i = 0; i < table[0].size(); ++i) {
    if (table[0][i] == column) return table[row][i];
  }
  ADD_FAILURE() << "no column " << column;
  return "";
}

TEST(ToCsv, IsReadBack) {
  const Table table = parse_csv(to_csv(report_of({full_record(), skipped_record()})));
  ASSERT_THAT(table, SizeIs(3));
  EXPECT_THAT(table, Each(SizeIs(table[0].size())));
  EXPECT_EQ(cell(table, 1, "status"), "ok");
  EXPECT_EQ(cell(table, 1, "warnings"), "first warning; second, with a comma");
  EXPECT_EQ(cell(table, 1, "cpus"), "0 2 5");
  EXPECT_EQ(cell(table, 1, "times_s"), "0.01 0.03 0.02 0.02");
  EXPECT_EQ(cell(table, 1, "seed"), "18446744073709551615");
  EXPECT_EQ(cell(table, 1, "bound.time_s"), "0.01");
  EXPECT_EQ(cell(table, 1, "verification.status"), "passed");
  EXPECT_EQ(cell(table, 1, "interleaved"), "false");
  EXPECT_EQ(cell(table, 2, "reason"), skipped_record().reason);
  EXPECT_EQ(cell(table, 2, "bound.time_s"), "");
  EXPECT_EQ(cell(table, 2, "median_s"), "");
  EXPECT_EQ(cell(table, 2, "times_s"), "");
}

TEST(ToCsv, HasAColumnForEachLeafOfTheRecord) {
  const Table table = parse_csv(to_csv(report_of({full_record()})));
  std::vector<std::string> leaves;
  const Json record = json_of(full_record());
  for (const auto& [key, value] : record.items()) {
    if (!value.is_object()) leaves.push_back(key);
    if (!value.is_object()) continue;
    for (const auto& [inner, leaf] : value.items())
      leaves.push_back(fmt::format("{}.{}", key, inner));
  }
  EXPECT_EQ(table[0], leaves);
}

TEST(ToCsv, AnInfiniteErrorIsEmptyAsItIsNullInJson) {
  Record r = full_record();
  r.verification.status = VerificationStatus::kFailed;
  r.verification.max_error_of_bound = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(json_of(r)["verification"]["max_error_of_bound"].is_null());
  const Table table = parse_csv(to_csv(report_of({r})));
  EXPECT_EQ(cell(table, 1, "verification.max_error_of_bound"), "");
}

/// A GitHub table: cells between pipes that no backslash precedes, without the blanks around.
Table parse_markdown(const std::string& text) {
  Table rows;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    EXPECT_TRUE(line.starts_with('|') && line.ends_with('|')) << line;
    std::vector<std::string> row;
    std::string current;
    for (std::size_t i = 1; i < line.size(); ++i) {
      if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
        current += line[++i];
      } else if (line[i] == '|') {
        const std::size_t first = current.find_first_not_of(' ');
        const std::size_t last = current.find_last_not_of(' ');
        row.push_back(first == std::string::npos ? "" : current.substr(first, last - first + 1));
        current.clear();
      } else {
        current += line[i];
      }
    }
    rows.push_back(row);
  }
  EXPECT_EQ(begin, text.size());
  return rows;
}

TEST(ToMarkdown, HasTheCellsOfTheCsv) {
  const Report report = report_of({full_record(), skipped_record()});
  const Table csv = parse_csv(to_csv(report));
  const Table markdown = parse_markdown(to_markdown(report));
  ASSERT_THAT(markdown, SizeIs(csv.size() + 1));
  EXPECT_EQ(markdown[0], csv[0]);
  EXPECT_THAT(markdown[1], SizeIs(csv[0].size()));
  EXPECT_THAT(markdown[1], Each("---"));
  EXPECT_EQ(markdown[2], csv[1]);
  ASSERT_THAT(markdown[3], SizeIs(csv[0].size()));
  EXPECT_EQ(cell(markdown, 3, "reason"), "no \"avx512\" here, nor anything, like it | really not");
  EXPECT_THAT(to_markdown(report), HasSubstr("like it \\| really not"));
}

}  // namespace
}  // namespace convscale
