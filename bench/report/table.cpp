// SPDX-License-Identifier: Apache-2.0
// The terminal's table.
#include "bench/cli/option_declarations.hpp"
#include "bench/report/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>

namespace convscale {
namespace {

enum class Shown {
  kAlways,
  kSetting,  ///< in a list only where the rows differ, else in a line above
  kOption,   ///< as kSetting, and nowhere while it is what a run has unless told otherwise
};

struct Column {
  std::string title;
  std::function<std::string(const Record&)> cell;
  bool right_aligned = true;
  Shown shown = Shown::kAlways;
  std::string usual = {};  // of a kOption
};

/// "0.668 ±0.004", with the wider side of the interval.
std::string speedup_text(const Speedup& speedup) {
  const double ratio = speedup.ratio;
  int decimals = ratio < 0.1 ? 4 : ratio < 100 ? 2 : 0;
  if (!speedup.interval) return fmt::format("{:.{}f}", ratio, decimals);
  const double half = std::max(speedup.interval->high - ratio, ratio - speedup.interval->low);
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

std::string by(std::int64_t height, std::int64_t width) {
  return fmt::format("{}x{}", height, width);
}

/// Of an option with one field, which is never null.
Column column_of(std::string_view name, Shown shown) {
  const auto& options = option_declarations();
  const OptionDeclaration& option = *std::ranges::find(options, name, &OptionDeclaration::name);
  const Field& field = option.fields.front();
  return {option.column, [&field](const Record& r) { return text_of(field.value(r.config)); },
          field.value(Config()).is_number(), shown, option.usual};
}

std::vector<Column> setting_columns() {
  std::vector<Column> columns{
      {"backend", [](const Record& r) { return r.config.backend; }, false},
      {"kernel", kernel_of, false},
      column_of("--method", Shown::kSetting),
      column_of("--scope", Shown::kOption),
      // Said of all backends alike, so that a list of them has no column of it for that.
      {"host memory", [](const Record& r) { return std::string(name_of(r.config.host_memory)); },
       false, Shown::kOption, std::string(name_of(Config().host_memory))},
      column_of("--dtype", Shown::kSetting),
      {"size", [](const Record& r) { return by(r.config.shape.height, r.config.shape.width); },
       true, Shown::kSetting},
      {"filter",
       [](const Record& r) {
         return by(r.config.shape.filter_size.height, r.config.shape.filter_size.width);
       },
       true, Shown::kOption, by(Shape().filter_size.height, Shape().filter_size.width)},
      column_of("--stride", Shown::kOption),
      column_of("--mem", Shown::kSetting),
      column_of("--num_workers", Shown::kSetting),
      {"ranks", [](const Record& r) { return std::to_string(r.config.ranks); }, true,
       Shown::kOption, "1"},
      {"distribute",
       [](const Record& r) {
         return std::string(r.config.ranks > 1 ? name_of(r.config.distribute) : "-");
       },
       false, Shown::kOption, "-"}};
  for (const OptionDeclaration* option : list_options()) {
    if (std::ranges::count(columns, option->column, &Column::title) == 0)
      columns.push_back(column_of(option->name(), Shown::kOption));
  }
  // Figures that are not those of a whole, right measurement.
  columns.push_back({"status",
                     [](const Record& r) {
                       return r.summary && r.status != Status::kOk ? std::string(name_of(r.status))
                                                                   : "-";
                     },
                     false, Shown::kOption, "-"});
  return columns;
}

std::vector<Column> figure_columns() {
  return {
      {"median", [](const Record& r) { return r.summary ? format_time(r.summary->median) : "-"; }},
      {"cv",
       [](const Record& r) {
         return r.summary ? fmt::format("{:.1f}%", 100 * r.summary->cv) : "-";
       }},
      {"images/s", [](const Record& r) { return scaled(images_per_s(r), 1, "{:.1f}"); }},
      {"GB/s", [](const Record& r) { return scaled(bytes_per_s(r), 1e-9, "{:.2f}"); }},
      {"GFLOP/s", [](const Record& r) { return scaled(flops_per_s(r), 1e-9, "{:.1f}"); }},
      {"of bound",
       [](const Record& r) {
         return scaled(r.fraction, 1, is_impossible(r) ? "{:.2f}!" : "{:.2f}");
       }},
      {"limit",
       [](const Record& r) { return r.bound ? std::string(name_of(r.bound->limit)) : "-"; },
       false}};
}

std::vector<Column> all_columns(const std::vector<Record>& records) {
  std::vector<Column> columns = setting_columns();
  for (Column& column : figure_columns()) columns.push_back(std::move(column));
  if (records.size() < 2) return columns;
  columns.insert(columns.begin(), {"row", [&records](const Record& r) {
                                     return std::to_string(&r - records.data() + 1);
                                   }});
  if (std::ranges::none_of(records,
                           [](const Record& r) { return speed_against(r, r).has_value(); }))
    return columns;
  columns.push_back({"vs first", [&records](const Record& r) {
                       // The first that it may be compared with: of its method and scope.
                       for (const Record& other : records) {
                         if (const auto speedup = speed_against(other, r))
                           return speedup_text(*speedup);
                       }
                       return std::string("-");
                     }});
  return columns;
}

/// The columns that are shown, and the line that names what all rows have in common.
std::pair<std::vector<Column>, std::string> choose_columns(const std::vector<Record>& records) {
  std::vector<Column> shown;
  std::vector<std::string> common;
  for (Column& column : all_columns(records)) {
    const std::string of_first = column.cell(records.front());
    const bool differ =
        std::ranges::any_of(records, [&](const Record& r) { return column.cell(r) != of_first; });
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
  std::vector<std::string> lines(1 + records.size());
  for (const Column& column : columns) {
    std::vector<std::string> cells{column.title};
    for (const Record& record : records) cells.push_back(column.cell(record));
    std::size_t width = 0;
    for (const std::string& cell : cells) width = std::max(width, columns_of(cell));
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string fill(width - columns_of(cells[i]), ' ');
      lines[i] += (column.right_aligned ? fill + cells[i] : cells[i] + fill) + "  ";
    }
  }
  for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  return fmt::format("{}\n", fmt::join(lines, "\n"));
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
  auto same = std::ranges::find(remarks, text, &Remarks::value_type::first);
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
