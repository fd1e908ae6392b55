// SPDX-License-Identifier: Apache-2.0
// The terminal's table.
#include "bench/report/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>
#include <variant>

namespace convscale {
namespace {

enum class Shown {
  kAlways,
  kSetting,  ///< in a list only where the rows differ, else in a line above
  kOption,   ///< as kSetting, and nowhere while it is what a run has unless told otherwise
};

struct Column {
  std::string title;
  bool right_aligned;
  Shown shown;
  std::function<std::string(const Record&)> cell;
  std::string usual = {};  // of a kOption
};

/// "0.668 ±0.004", with the wider side of the interval.
std::string speedup_text(const std::optional<Speedup>& speedup) {
  if (!speedup) return "-";
  const double ratio = speedup->ratio;
  int decimals = ratio < 0.1 ? 4 : ratio < 100 ? 2 : 0;
  if (!speedup->interval) return fmt::format("{:.{}f}", ratio, decimals);
  const double half = std::max(speedup->interval->high - ratio, ratio - speedup->interval->low);
  if (ratio < 0.1) {  // hundreds of times slower, which three decimals may not tell apart
    decimals = half >= 1e-3 ? 3 : half >= 1e-4 ? 4 : 5;
  } else if (half < 0.01) {
    decimals = 3;
  }
  // Rounded up, so that what is not known exactly never looks so.
  const double scale = std::pow(10.0, decimals);
  return fmt::format("{:.{}f} ±{:.{}f}", ratio, decimals, std::ceil(half * scale) / scale,
                     decimals);
}

std::string scaled(std::optional<double> value, double factor, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value * factor) : "-";
}

std::string text_or_dash(const FieldValue& value) {
  const std::string text = text_of(value);
  return text.empty() ? "-" : text;
}

/// Of an option with one field.
Column column_of(std::string_view name, Shown shown) {
  const auto& options = option_declarations();
  const OptionDeclaration& option = *std::find_if(
      options.begin(), options.end(), [&](const auto& one) { return one.name() == name; });
  const Field& field = option.fields.front();
  const FieldValue usual = value_of(field, Record());
  return {option.column, std::holds_alternative<std::int64_t>(usual), shown,
          [&field](const Record& r) { return text_or_dash(value_of(field, r)); },
          text_or_dash(usual)};
}

std::vector<Column> setting_columns() {
  std::vector<Column> columns{
      {"backend", false, Shown::kAlways, [](const Record& r) { return r.config.backend; }},
      {"kernel", false, Shown::kAlways, kernel_of},
      column_of("--method", Shown::kSetting),
      column_of("--scope", Shown::kOption),
      // Said of all backends alike, so that a list of them has no column of it for that.
      {"host memory", false, Shown::kOption,
       [](const Record& r) { return std::string(name_of(r.config.host_memory)); },
       std::string(name_of(Config().host_memory))},
      column_of("--dtype", Shown::kSetting),
      {"size", true, Shown::kSetting,
       [](const Record& r) {
         return fmt::format("{}x{}", r.config.shape.height, r.config.shape.width);
       }},
      {"filter", true, Shown::kOption,
       [](const Record& r) { return fmt::format("{0}x{0}", r.config.shape.filter_size); },
       fmt::format("{0}x{0}", Shape().filter_size)},
      column_of("--stride", Shown::kOption),
      column_of("--mem", Shown::kSetting),
      column_of("--num_workers", Shown::kSetting),
      {"ranks", true, Shown::kOption,
       [](const Record& r) { return fmt::format("{}", r.config.ranks); }, "1"},
      column_of("--distribute", Shown::kOption)};
  for (const OptionDeclaration* option : list_options()) {
    if (std::none_of(columns.begin(), columns.end(),
                     [&](const Column& column) { return column.title == option->column; }))
      columns.push_back(column_of(option->name(), Shown::kOption));
  }
  // Figures that are not those of a whole, right measurement.
  columns.push_back({"status", false, Shown::kOption,
                     [](const Record& r) {
                       return r.summary && r.status != Status::kOk ? std::string(name_of(r.status))
                                                                   : "-";
                     },
                     "-"});
  return columns;
}

std::vector<Column> figure_columns() {
  return {
      {"median", true, Shown::kAlways,
       [](const Record& r) { return r.summary ? format_time(r.summary->median) : "-"; }},
      {"cv", true, Shown::kAlways,
       [](const Record& r) {
         return r.summary ? fmt::format("{:.1f}%", 100 * r.summary->cv) : "-";
       }},
      {"images/s", true, Shown::kAlways,
       [](const Record& r) { return scaled(images_per_s(r), 1, "{:.1f}"); }},
      {"GB/s", true, Shown::kAlways,
       [](const Record& r) { return scaled(bytes_per_s(r), 1e-9, "{:.2f}"); }},
      {"GFLOP/s", true, Shown::kAlways,
       [](const Record& r) { return scaled(flops_per_s(r), 1e-9, "{:.1f}"); }},
      {"of bound", true, Shown::kAlways,
       [](const Record& r) {
         return scaled(r.fraction, 1, "{:.2f}") + (is_impossible(r) ? "!" : "");
       }},
      {"limit", false, Shown::kAlways,
       [](const Record& r) { return r.bound ? std::string(name_of(r.bound->limit)) : "-"; }},
  };
}

std::vector<Column> all_columns(const std::vector<Record>& records) {
  std::vector<Column> columns = setting_columns();
  for (Column& column : figure_columns()) columns.push_back(std::move(column));
  if (records.size() < 2) return columns;
  const Record* const begin = records.data();
  columns.insert(columns.begin(), {"row", true, Shown::kAlways, [begin](const Record& r) {
                                     return fmt::format("{}", &r - begin + 1);
                                   }});
  const Record* const end = begin + records.size();
  if (std::none_of(begin, end, [](const Record& r) { return speed_against(r, r).has_value(); }))
    return columns;
  columns.push_back({"vs first", true, Shown::kAlways, [begin, end](const Record& r) {
                       // The first that it may be compared with: of its method and scope.
                       const Record* const first =
                           std::find_if(begin, end, [&](const Record& other) {
                             return speed_against(other, r).has_value();
                           });
                       return first == end ? "-" : speedup_text(speed_against(*first, r));
                     }});
  return columns;
}

/// The columns that are shown, and the line that names what all rows have in common.
std::pair<std::vector<Column>, std::string> choose_columns(const std::vector<Record>& records) {
  std::vector<Column> shown;
  std::vector<std::string> common;
  for (Column& column : all_columns(records)) {
    const std::string of_first = column.cell(records.front());
    const bool differ = std::any_of(records.begin(), records.end(),
                                    [&](const Record& r) { return column.cell(r) != of_first; });
    const bool usual = column.shown == Shown::kOption && of_first == column.usual;
    if (column.shown == Shown::kAlways || differ || (records.size() == 1 && !usual)) {
      shown.push_back(std::move(column));
    } else if (!usual) {
      common.push_back(fmt::format("{} {}", column.title, of_first));
    }
  }
  return {shown, common.empty() ? "" : fmt::format("In all rows: {}\n", fmt::join(common, ", "))};
}

/// Columns of a terminal that UTF-8 text takes: its bytes but for continuations.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string table(const std::vector<Column>& columns, const std::vector<Record>& records) {
  std::vector<std::size_t> widths;
  for (const Column& column : columns) {
    std::size_t width = column.title.size();
    for (const Record& record : records) width = std::max(width, columns_of(column.cell(record)));
    widths.push_back(width);
  }
  const auto line = [&](const std::function<std::string(const Column&)>& cell) {
    std::string text;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string content = cell(columns[i]);
      const std::string fill(widths[i] - columns_of(content), ' ');
      text += (columns[i].right_aligned ? fill + content : content + fill) + "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string text = line([](const Column& column) { return column.title; });
  for (const Record& record : records)
    text += line([&](const Column& column) { return column.cell(record); });
  return text;
}

/// Why rows have no figures, or wrong ones.
std::string reasons(const std::vector<Record>& records) {
  Remarks remarks;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& r = records[i];
    // What was interrupted says so where it would have its verdict.
    if (!r.reason.empty() && r.status != Status::kInterrupted)
      add_remark(remarks, fmt::format("{}: {}", name_of(r.status), r.reason), i + 1);
  }
  std::string text;
  for (const auto& [reason, rows] : remarks)
    text += fmt::format("{} {}\n", rows_label(rows), reason);
  return text;
}

}  // namespace

void add_remark(Remarks& remarks, const std::string& text, std::size_t row) {
  auto same = std::find_if(remarks.begin(), remarks.end(),
                           [&](const auto& remark) { return remark.first == text; });
  if (same == remarks.end()) same = remarks.insert(same, {text, {}});
  same->second.push_back(row);
}

std::string rows_label(const std::vector<std::size_t>& rows) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    for (end = begin + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
    if (end - begin >= 3) {
      parts.push_back(fmt::format("{}-{}", rows[begin], rows[end - 1]));
    } else {
      for (std::size_t i = begin; i < end; ++i) parts.push_back(fmt::format("{}", rows[i]));
    }
  }
  return fmt::format("row{} {}", rows.size() == 1 ? "" : "s", fmt::join(parts, ", "));
}

std::string table_text(const Report& report) {
  const std::vector<Record>& records = report.records;
  if (records.empty()) return "";
  const auto [columns, common] = choose_columns(records);
  std::string text = common + table(columns, records);
  if (records.size() == 1) return text + "\n" + details_text(records.front());
  for (const std::string& part :
       {reasons(records), sweep_text(report), break_even_text(report.break_even)}) {
    if (!part.empty()) text += "\n" + part;
  }
  return text;
}

}  // namespace convscale
