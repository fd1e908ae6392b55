// SPDX-License-Identifier: Apache-2.0
// What a person reads in the terminal.
#include "common/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace convscale {
namespace {

/// Position behind the point of the `digits`-th significant digit of `value`.
int decimals_of(double value, int digits) {
  return value > 0 && std::isfinite(value)
             ? digits - 1 - static_cast<int>(std::floor(std::log10(value)))
             : 0;
}

std::string format_bytes(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes * 1e-9);
  if (bytes >= 1e6) return fmt::format("{:.1f} MB", bytes * 1e-6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes * 1e-3);
  return fmt::format("{:.0f} B", bytes);
}

struct Column {
  std::string title;
  bool right_aligned;
  std::function<std::string(const Record&)> cell;
};

std::string scaled(std::optional<double> value, double factor, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value * factor) : "-";
}

const std::vector<Column>& columns() {
  static const std::vector<Column> kColumns = {
      {"backend", false, [](const Record& r) { return r.config.backend; }},
      {"kernel", false,
       [](const Record& r) { return r.facts.kernel.empty() ? r.config.kernel : r.facts.kernel; }},
      {"method", false, [](const Record& r) { return std::string(name_of(r.config.method)); }},
      {"dtype", false, [](const Record& r) { return std::string(name_of(r.config.dtype)); }},
      {"size", true,
       [](const Record& r) {
         return fmt::format("{}x{}", r.config.shape.height, r.config.shape.width);
       }},
      {"images", true, [](const Record& r) { return fmt::format("{}", r.config.shape.images); }},
      {"workers", true, [](const Record& r) { return fmt::format("{}", r.config.num_workers); }},
      {"median", true,
       [](const Record& r) { return r.summary ? format_time(r.summary->median) : "-"; }},
      {"cv", true,
       [](const Record& r) {
         return r.summary ? fmt::format("{:.1f}%", 100 * r.summary->cv) : "-";
       }},
      {"images/s", true, [](const Record& r) { return scaled(images_per_s(r), 1, "{:.1f}"); }},
      {"GB/s", true, [](const Record& r) { return scaled(bytes_per_s(r), 1e-9, "{:.2f}"); }},
      {"GFLOP/s", true, [](const Record& r) { return scaled(flops_per_s(r), 1e-9, "{:.1f}"); }},
      {"of bound", true, [](const Record& r) { return scaled(r.fraction, 1, "{:.2f}"); }},
      {"limit", false,
       [](const Record& r) { return r.bound ? std::string(name_of(r.bound->limit)) : "-"; }},
  };
  return kColumns;
}

std::string table(const std::vector<Record>& records) {
  std::vector<std::size_t> widths;
  for (const Column& column : columns()) {
    std::size_t width = column.title.size();
    for (const Record& record : records) width = std::max(width, column.cell(record).size());
    widths.push_back(width);
  }
  const auto line = [&](const std::function<std::string(const Column&)>& cell) {
    std::string text;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const Column& column = columns()[i];
      text += column.right_aligned ? fmt::format("{:>{}}  ", cell(column), widths[i])
                                   : fmt::format("{:<{}}  ", cell(column), widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string text = line([](const Column& column) { return column.title; });
  for (const Record& record : records)
    text += line([&](const Column& column) { return column.cell(record); });
  return text;
}

std::string bound_line(const Record& r) {
  const Bound& b = *r.bound;
  std::vector<std::string> parts;
  const auto add = [&](double amount, std::optional<double> rate, const char* what) {
    if (rate) parts.push_back(fmt::format("{} for {}", format_time(amount / *rate), what));
  };
  const Ceilings& c = b.ceilings;
  if (c.read_bytes_per_s) {
    add(static_cast<double>(b.bytes), c.read_bytes_per_s,
        fmt::format("{} at {:.1f} GB/s", format_bytes(static_cast<double>(b.bytes)),
                    *c.read_bytes_per_s * 1e-9)
            .c_str());
  }
  if (c.peak_flops_per_s) {
    add(static_cast<double>(b.flops), c.peak_flops_per_s,
        fmt::format("{:.3g} GFLOP at {:.1f} GFLOP/s", static_cast<double>(b.flops) * 1e-9,
                    *c.peak_flops_per_s * 1e-9)
            .c_str());
  }
  return fmt::format("Bound:   {}, the larger of {}\n", format_time(b.time_s),
                     fmt::join(parts, " and "));
}

/// What explains a single row.
std::string details(const Record& r) {
  const Shape& s = r.config.shape;
  const auto element = static_cast<double>(size_of(r.config.dtype));
  std::string text =
      fmt::format("Data:    {} of pixels ({} an image), {} of results\n",
                  format_bytes(static_cast<double>(s.images * s.pixels()) * element),
                  format_bytes(static_cast<double>(s.pixels()) * element),
                  format_bytes(static_cast<double>(s.images * s.outputs()) * element));
  if (r.bound) text += bound_line(r);
  if (r.summary) {
    text += fmt::format("Spread:  {} to {}, {} of {} iterations are outliers",
                        format_time(r.summary->min), format_time(r.summary->max),
                        r.summary->outliers, r.times_s.size());
    if (r.workers) {
      text += fmt::format("; workers busy {} to {}", format_time(r.workers->busy_min_s),
                          format_time(r.workers->busy_max_s));
    }
    text += "\n";
  }
  const auto untimed = [](std::optional<double> seconds) {
    return seconds ? format_time(*seconds) : "-";
  };
  text += fmt::format("Untimed: setup {}, generation {}, verification {}\n", untimed(r.setup_s),
                      untimed(r.generation_s), untimed(r.verification_s));
  if (r.balance && *r.balance < 1) {
    text += fmt::format(
        "Note:    {} images on {} workers are balanced to {:.3f} at best; --schedule split deals "
        "rows\n",
        s.images, r.config.num_workers, *r.balance);
  }
  return text;
}

}  // namespace

std::string_view name_of(Status status) {
  static constexpr std::array<std::string_view, 4> kStatus{"ok", "skipped", "failed",
                                                           "interrupted"};
  return kStatus[static_cast<std::size_t>(status)];
}

std::string_view name_of(VerificationStatus status) {
  static constexpr std::array<std::string_view, 3> kStatus{"passed", "failed", "skipped"};
  return kStatus[static_cast<std::size_t>(status)];
}

namespace {

/// `amount()` over the median; not called without one.
template <class Amount>
std::optional<double> per_median(const Record& record, Amount&& amount) {
  if (!record.summary || record.summary->median <= 0) return std::nullopt;
  return static_cast<double>(amount()) / record.summary->median;
}

}  // namespace

std::optional<double> images_per_s(const Record& r) {
  return per_median(r, [&] { return r.config.shape.images; });
}

std::optional<double> pixels_per_s(const Record& r) {
  return per_median(r, [&] { return r.config.shape.images * r.config.shape.pixels(); });
}

std::optional<double> bytes_per_s(const Record& r) {
  const Config& c = r.config;
  return per_median(r, [&] { return least_bytes(c.shape, c.method, c.dtype, r.facts.line_bytes); });
}

std::optional<double> flops_per_s(const Record& r) {
  if (!r.facts.direct) return std::nullopt;
  return per_median(r, [&] { return flops(r.config.shape, r.config.method); });
}

std::string format_time(double seconds) {
  static constexpr struct {
    double factor;
    const char* unit;
  } kUnits[] = {{1, "s"}, {1e3, "ms"}, {1e6, "us"}, {1e9, "ns"}};
  constexpr int kDigits = 4;
  for (const auto& unit : kUnits) {
    // Rounded first, so that 0.99999 ms is 1.000 ms and not 1000.0 us.
    const double scale = std::pow(10.0, std::max(decimals_of(seconds * unit.factor, kDigits), 0));
    const double value = std::round(seconds * unit.factor * scale) / scale;
    if (value >= 1 || unit.factor == 1e9) {
      return fmt::format("{:.{}f} {}", value, std::clamp(decimals_of(value, kDigits), 0, 3),
                         unit.unit);
    }
  }
  return "-";
}

std::string original_lines(const Record& r) {
  std::string text = fmt::format("Number of workers: {}\nNumber of images: {}\n",
                                 r.config.num_workers, r.config.shape.images);
  if (!r.summary) return text;
  constexpr int kNanoseconds = 9;
  const int decimals = std::clamp(
      std::max(decimals_of(r.summary->std, 2), decimals_of(r.summary->mean, 3)), 0, kNanoseconds);
  return text +
         fmt::format("Average time: {:.{}f} second(s)\nStandard deviation: {:.{}f} second(s)\n",
                     r.summary->mean, decimals, r.summary->std, decimals);
}

std::string table_text(const Report& report) {
  std::string text = table(report.records);
  if (report.records.size() == 1) text += "\n" + details(report.records.front());
  return text;
}

std::string verdict_lines(const Record& r) {
  const Verification& v = r.verification;
  std::string text = "Verification: ";
  if (v.status == VerificationStatus::kPassed) {
    text += fmt::format("passed ({} outputs, max error {:.2g} of the bound)\n", v.outputs,
                        v.max_error_of_bound);
  } else if (v.status == VerificationStatus::kFailed) {
    text += fmt::format("FAILED ({})\n", v.failure);
  } else {
    text += "skipped\n";
  }
  const auto rate = images_per_s(r);
  if (rate && r.status != Status::kFailed) text += fmt::format("FOM: {:.1f} images/s\n", *rate);
  return text;
}

}  // namespace convscale
