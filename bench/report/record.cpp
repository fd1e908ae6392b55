// SPDX-License-Identifier: Apache-2.0
#include "bench/report/record.hpp"

#include <algorithm>
#include <cmath>

namespace convscale {
namespace {

/// `amount()` over the median; not called without one.
template <class Amount>
std::optional<double> per_median(const Record& record, Amount&& amount) {
  // With a work time the clock says what was asked for, not what the machine can do.
  if (!record.summary || record.summary->median <= 0 || record.config.work_time_s)
    return std::nullopt;
  return static_cast<double>(amount()) / record.summary->median;
}

double pixels_of(const Record& r) {
  return static_cast<double>(r.config.shape.images * r.config.shape.pixels());
}

/// Of rows whose iterations ran in turn, so that what bends one bends its neighbour, too.
Speedup paired_speedup(const Record& first, const Record& record) {
  std::vector<double> ratios;
  const std::size_t pairs = std::min(first.times_s.size(), record.times_s.size());
  for (std::size_t i = 0; i < pairs; ++i) {
    ratios.push_back(first.times_s[i] / record.times_s[i] * pixels_of(record) / pixels_of(first));
  }
  return {median_of(ratios), interval_of_median(ratios)};
}

Speedup unpaired_speedup(const Record& first, const Record& record) {
  const Summary &a = *first.summary, &b = *record.summary;
  Speedup speedup{a.median / b.median * pixels_of(record) / pixels_of(first), std::nullopt};
  if (!a.median_interval || !b.median_interval || b.median_interval->low <= 0) return speedup;
  const auto combined = [](double x, double y) { return std::exp(std::sqrt(x * x + y * y)); };
  speedup.interval =
      Interval{speedup.ratio / combined(std::log(a.median / a.median_interval->low),
                                        std::log(b.median_interval->high / b.median)),
               speedup.ratio * combined(std::log(a.median_interval->high / a.median),
                                        std::log(b.median / b.median_interval->low))};
  return speedup;
}

}  // namespace

const std::string& kernel_of(const Record& r) {
  return r.facts.kernel.empty() ? r.config.kernel : r.facts.kernel;
}

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

bool is_impossible(const Record& r) {
  constexpr double kMost = 1.02;  // what is left for noise
  return r.fraction && *r.fraction > kMost;
}

std::optional<Speedup> speed_against(const Record& first, const Record& record) {
  const auto has_speed = [](const Record& r) {
    return r.status == Status::kOk && pixels_per_s(r).has_value();
  };
  const bool alike =
      first.config.method == record.config.method && first.config.scope == record.config.scope;
  if (!alike || !has_speed(first) || !has_speed(record)) return std::nullopt;
  if (&first == &record) return Speedup{1, std::nullopt};
  return first.config.interleaved && record.config.interleaved ? paired_speedup(first, record)
                                                               : unpaired_speedup(first, record);
}

}  // namespace convscale
