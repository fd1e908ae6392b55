// SPDX-License-Identifier: Apache-2.0
// What a person reads in the terminal.
#include "bench/report/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace convscale {
namespace {

/// What a row takes beside its iterations.
constexpr std::pair<const char*, std::optional<double> Record::*> kUntimed[] = {
    {"setup", &Record::setup_s},
    {"generation", &Record::generation_s},
    {"ceilings", &Record::ceilings_s},
    {"poison and digests", &Record::checks_s},
    {"verification", &Record::verification_s}};

/// Position behind the point of the `digits`-th significant digit of `value`.
int decimals_of(double value, int digits) {
  return value > 0 && std::isfinite(value)
             ? digits - 1 - static_cast<int>(std::floor(std::log10(value)))
             : 0;
}

std::string format_bytes(std::int64_t count) {
  const auto bytes = static_cast<double>(count);
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes * 1e-9);
  if (bytes >= 1e6) return fmt::format("{:.1f} MB", bytes * 1e-6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes * 1e-3);
  return fmt::format("{:.0f} B", bytes);
}

/// The times that the ceilings allow, of which the bound is the largest.
std::string bound_line(const Record& r) {
  const Bound& b = *r.bound;
  const Ceilings& c = b.ceilings;
  const Transfer& link = r.facts.transfer;
  std::vector<std::string> parts;
  const auto add = [&](std::int64_t amount, std::optional<double> rate, const std::string& what,
                       double rate_unit, const char* unit) {
    if (!rate || *rate <= 0 || amount == 0) return;
    parts.push_back(fmt::format("{} for {} at {:.1f} {}",
                                format_time(static_cast<double>(amount) / *rate), what,
                                *rate * rate_unit, unit));
  };
  const auto add_bytes = [&](std::int64_t bytes, std::optional<double> rate, const char* way) {
    add(bytes, rate, format_bytes(bytes) + way, 1e-9, "GB/s");
  };
  add_bytes(b.bytes, c.read_bytes_per_s, "");
  add(b.flops, c.peak_flops_per_s, fmt::format("{:.3g} GFLOP", static_cast<double>(b.flops) * 1e-9),
      1e-9, "GFLOP/s");
  add_bytes(link.up_bytes, c.up_bytes_per_s, " up");
  add_bytes(link.down_bytes, c.down_bytes_per_s, " down");
  add_bytes(link.up_bytes + link.down_bytes, c.duplex_bytes_per_s, " both ways at once");
  add_bytes(link.scatter_bytes, c.scatter_bytes_per_s, " scattered");
  add_bytes(link.gather_bytes, c.gather_bytes_per_s, " gathered");
  const std::string time = format_time(b.time_s);
  if (parts.size() <= 2) {
    return fmt::format("Bound:   {}, {}{}\n", time, parts.size() == 2 ? "the larger of " : "",
                       fmt::join(parts, " and "));
  }
  return fmt::format("Bound:   {} ({}), the largest of\n           {}\n", time, name_of(b.limit),
                     fmt::join(parts, "\n           "));
}

std::string device_line(const DeviceInfo& d) {
  std::string text = fmt::format("Device:  {} {}", d.index, d.name);
  if (!d.compute_capability.empty())
    text += fmt::format(", compute capability {}", d.compute_capability);
  if (d.memory_bytes > 0) text += ", " + format_bytes(d.memory_bytes);
  const auto megahertz = [](double hz) { return fmt::format("{:.0f} MHz", hz * 1e-6); };
  if (d.sm_clock_hz) text += ", clock " + megahertz(*d.sm_clock_hz);
  if (d.max_sm_clock_hz) {
    text += (d.sm_clock_hz ? " of at most " : ", clock at most ") + megahertz(*d.max_sm_clock_hz);
  }
  if (d.memory_clock_hz) text += ", memory clock " + megahertz(*d.memory_clock_hz);
  if (d.power_limit_w) text += fmt::format(", power limit {:.0f} W", *d.power_limit_w);
  return text + "\n";
}

std::string spread_line(const Record& r) {
  std::string text = fmt::format("Spread:  {} to {}, {} of {} iterations are outliers",
                                 format_time(r.summary->min), format_time(r.summary->max),
                                 r.summary->outliers, r.times_s.size());
  if (r.workers) {
    text += fmt::format("; workers busy {} to {}", format_time(r.workers->busy_min_s),
                        format_time(r.workers->busy_max_s));
  }
  return text + "\n";
}

/// Where the ranks are, what they exchange, and which of them the others wait for.
std::string ranks_lines(const Record& r) {
  const std::vector<RankFacts>& ranks = r.facts.ranks;
  std::set<std::string> hosts;
  for (const RankFacts& rank : ranks) hosts.insert(rank.host);
  std::string text = fmt::format("Ranks:   {} on {} host{}, {}", ranks.size(), hosts.size(),
                                 hosts.size() == 1 ? "" : "s", name_of(r.config.distribute));
  if (const std::int64_t bytes = r.facts.transfer.exchanged_bytes(); bytes > 0) {
    text += fmt::format("; {} exchanged in an iteration, {} of it between hosts",
                        format_bytes(bytes), format_bytes(r.facts.wire_bytes.value_or(0)));
  }
  text += "\n";
  if (!r.rank_figures) return text;
  const RankFigures& figures = *r.rank_figures;
  const auto rank_text = [&](std::size_t rank) {
    return fmt::format("{} (rank {} on {})", format_time(figures.run_s[rank].value_or(0)), rank,
                       ranks[rank].host);
  };
  text += fmt::format("         done after {} to {}; an empty barrier takes {}",
                      rank_text(figures.fastest), rank_text(figures.slowest),
                      format_time(figures.barrier_s));
  if (figures.communication_share)
    text += fmt::format("; without computing {:.0f} %", 100 * *figures.communication_share);
  return text + "\n";
}

/// "0.020 ms + 0.310 ms an image".
std::string line_text(const TimeLine& line) {
  return fmt::format("{}{} + {} an image", line.fixed_s < 0 ? "-" : "",
                     format_time(std::abs(line.fixed_s)), format_time(line.per_image_s));
}

std::string images_line(const BreakEven& entry) {
  if (!entry.images_reason.empty()) {
    return fmt::format("From how many images on the GPU pays is not known: {}\n",
                       entry.images_reason);
  }
  std::string text = "There is no number of images from which on the GPU pays";
  const std::vector<ImagesTime>& points = entry.gpu.points;
  if (entry.images_from) {
    const std::int64_t from = *entry.images_from;
    const bool outside = from < points.front().images || from > points.back().images;
    text = fmt::format("The GPU pays from {} image{} on{}", from, from == 1 ? "" : "s",
                       outside ? ", if the lines hold that far" : "");
  }
  std::string measured;
  for (const ImagesTime& point : points) {
    if (!measured.empty()) measured += &point == &points.back() ? " and " : ", ";
    measured += std::to_string(point.images);
  }
  return fmt::format("{} ({} {}; {} end-to-end {}; measured at {} images)\n", text,
                     entry.cpu.config.backend, line_text(*entry.cpu.line), entry.gpu.config.backend,
                     line_text(*entry.gpu.line), measured);
}

std::string passes_line(const BreakEven& entry) {
  if (!entry.passes_reason.empty()) {
    return fmt::format("After how many passes one upload has paid is not known: {}\n",
                       entry.passes_reason);
  }
  const std::string times =
      fmt::format("(upload {}; a pass {} on the GPU, {} on the CPU)", format_time(*entry.upload_s),
                  format_time(*entry.resident_s), format_time(*entry.cpu_s));
  if (!entry.passes) return fmt::format("No number of passes pays for the upload {}\n", times);
  return fmt::format("One upload has paid after {} pass{} over the same data {}\n", *entry.passes,
                     *entry.passes == 1 ? "" : "es", times);
}

}  // namespace

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

std::string details_text(const Record& r) {
  const Shape& s = r.config.shape;
  const std::int64_t element = size_of(r.config.dtype);
  std::string text;
  for (const DeviceInfo& device : r.facts.devices) text += device_line(device);
  if (!r.facts.ranks.empty()) text += ranks_lines(r);
  text +=
      fmt::format("Data:    {} of pixels ({} an image), {} of results\n",
                  format_bytes(s.images * s.pixels() * element), format_bytes(s.pixels() * element),
                  format_bytes(s.images * s.outputs() * element));
  if (r.bound) text += bound_line(r);
  if (r.phases) {
    text += fmt::format("Phases:  upload {}, kernel {}, download {} (medians; they overlap)\n",
                        format_time(r.phases->upload_s), format_time(r.phases->kernel_s),
                        format_time(r.phases->download_s));
  }
  if (r.summary) text += spread_line(r);
  std::vector<std::string> parts;
  for (const auto& [name, part] : kUntimed)
    parts.push_back(fmt::format("{} {}", name, r.*part ? format_time(*(r.*part)) : "-"));
  if (r.load_s) parts.front() += fmt::format(" (loading {})", format_time(*r.load_s));
  text += fmt::format("Untimed: {}\n", fmt::join(parts, ", "));
  if (r.balance && *r.balance < 1) {
    text += fmt::format(
        "Note:    {} images on {} workers are balanced to {:.3f} at best; --schedule split deals "
        "rows\n",
        s.images, r.config.num_workers, *r.balance);
  }
  return text;
}

std::string original_lines(const Record& r, bool with_iterations) {
  std::string text = fmt::format("Number of workers: {}\nNumber of images: {}\n",
                                 r.config.num_workers, r.config.shape.images);
  if (with_iterations) text += iteration_lines(r);
  // What parses them takes the average for that of a whole, right measurement.
  if (!r.summary || r.status != Status::kOk) return text;
  constexpr int kNanoseconds = 9;
  const int decimals = std::clamp(
      std::max(decimals_of(r.summary->std, 2), decimals_of(r.summary->mean, 3)), 0, kNanoseconds);
  return text +
         fmt::format("Average time: {:.{}f} second(s)\nStandard deviation: {:.{}f} second(s)\n",
                     r.summary->mean, decimals, r.summary->std, decimals);
}

std::string break_even_text(const std::vector<BreakEven>& entries) {
  std::string text;
  for (const BreakEven& entry : entries) {
    if (entries.size() > 1) {
      const Config& c = entry.cpu.config;
      text += fmt::format("{}, {}, {} images of {}x{}:\n", name_of(c.method), name_of(c.dtype),
                          c.shape.images, c.shape.height, c.shape.width);
    }
    text += images_line(entry) + passes_line(entry);
  }
  return text;
}

std::string iteration_lines(const Record& r, std::size_t row) {
  std::string text;
  std::size_t iteration = 0;
  for (const std::vector<double>* times : {&r.burn_times_s, &r.times_s}) {
    for (const double time_s : *times) {
      text += fmt::format("Time for iteration {} is {:.9f} seconds{}\n", iteration++, time_s,
                          row > 0 ? fmt::format(" (row {})", row) : "");
    }
  }
  return text;
}

std::string sweep_text(const Report& report) {
  if (!report.wall_s) return "";
  double measured = 0;
  for (const Record& r : report.records) {
    for (const double time_s : r.burn_times_s) measured += time_s;
    for (const double time_s : r.times_s) measured += time_s;
  }
  double rest = *report.wall_s - measured - report.break_even_s.value_or(0);
  std::vector<std::string> parts;
  for (const auto& [name, part] : kUntimed) {
    double time_s = 0;
    for (const Record& r : report.records) time_s += (r.*part).value_or(0);
    rest -= time_s;
    parts.push_back(fmt::format("{} {}", name, format_time(time_s)));
  }
  if (report.break_even_s) parts.push_back("break-even " + format_time(*report.break_even_s));
  return fmt::format("Took {}: iterations {}; {}, all else {}\n", format_time(*report.wall_s),
                     format_time(measured), fmt::join(parts, ", "),
                     format_time(std::max(rest, 0.0)));
}

std::string verdict_lines(const Record& r, std::size_t row) {
  const Verification& v = r.verification;
  const std::string which = row > 0 ? fmt::format(" (row {})", row) : "";
  if (r.status == Status::kInterrupted) {
    const bool has_end = !r.config.stop.min_time_s && !r.config.stop.max_noise;
    return fmt::format("Interrupted: after {}{} iterations; not verified, no FOM{}\n",
                       r.times_s.size(), has_end ? fmt::format(" of {}", r.config.iterations) : "",
                       which);
  }
  std::string text = "Verification: ";
  if (v.status == VerificationStatus::kPassed) {
    text += fmt::format("passed ({} outputs, max error {:.2g} of the bound){}\n", v.outputs,
                        v.max_error_of_bound, which);
  } else if (v.status == VerificationStatus::kFailed) {
    text += fmt::format("FAILED ({}){}\n", v.failure, which);
  } else {
    text += "skipped" + which + "\n";
  }
  const auto rate = images_per_s(r);
  if (rate && r.status != Status::kFailed)
    text += fmt::format("FOM: {:.1f} images/s{}\n", *rate, which);
  return text;
}

}  // namespace convscale
