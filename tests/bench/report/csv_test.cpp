// SPDX-License-Identifier: Apache-2.0
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using testing::all_figures;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::more_figures;
using testing::report_of;
using Json = nlohmann::ordered_json;
using Table = std::vector<std::vector<std::string>>;

Record skipped_record() {
  Record r;
  r.status = Status::kSkipped;
  r.reason = "no \"avx512\" here, nor anything, like it | really\nnot";
  r.config.shape = {.images = 1, .height = 2, .width = 3};
  return r;
}

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

/// What a cell of the flat formats has of a leaf of the JSON: lists without brackets, nothing of
/// null.
std::string flat(const Json& leaf) {
  if (leaf.is_null()) return "";
  if (leaf.is_string()) return leaf.get<std::string>();
  if (!leaf.is_array() || (!leaf.empty() && leaf[0].is_object())) return leaf.dump();
  std::string text;
  for (const Json& element : leaf)
    text += (text.empty() ? "" : element.is_string() ? "; " : " ") + flat(element);
  return text;
}

TEST(AllFigures, InCsvAndMarkdownAsInJson) {
  const Report report = report_of({all_figures(), more_figures(), skipped_record()});
  const Json records = Json::parse(to_json(report))["records"];
  Table expected(1 + records.size());
  for (std::size_t row = 0; row < records.size(); ++row) {
    for (const auto& [key, value] : records[row].items()) {
      const Json inner = value.is_object() ? value : Json{{"", value}};
      for (const auto& [name, leaf] : inner.items()) {
        if (row == 0) expected[0].push_back(name.empty() ? key : fmt::format("{}.{}", key, name));
        expected[1 + row].push_back(flat(leaf));
      }
    }
  }
  const Table csv = parse_csv(to_csv(report));
  EXPECT_EQ(csv, expected);
  EXPECT_EQ(cell(csv, 1, "warnings").substr(0, 37), "first warning; second, with a comma; ");
  EXPECT_EQ(cell(csv, 1, "cpus"), "0 2 5");
  EXPECT_EQ(cell(csv, 1, "seed"), "18446744073709551615");
  EXPECT_EQ(cell(csv, 3, "reason"), skipped_record().reason);
  EXPECT_EQ(cell(csv, 3, "median_s"), "");

  // A GitHub table has no line breaks in its cells, and a second line of dashes.
  for (std::string& text : expected[3]) std::replace(text.begin(), text.end(), '\n', ' ');
  expected.insert(expected.begin() + 1, std::vector<std::string>(expected[0].size(), "---"));
  EXPECT_EQ(parse_markdown(to_markdown(report)), expected);
  EXPECT_THAT(to_markdown(report), HasSubstr("like it \\| really not"));
}

TEST(ToCsv, AnInfiniteErrorIsEmptyAsItIsNullInJson) {
  Record r = all_figures();
  r.verification.status = VerificationStatus::kFailed;
  r.verification.max_error_of_bound = std::numeric_limits<double>::infinity();
  const Json record = Json::parse(to_json(report_of({r})))["records"][0];
  EXPECT_TRUE(record["verification"]["max_error_of_bound"].is_null());
  const Table table = parse_csv(to_csv(report_of({r})));
  EXPECT_EQ(cell(table, 1, "verification.max_error_of_bound"), "");
}

}  // namespace
}  // namespace convscale
