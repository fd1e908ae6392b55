// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/break_even.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace convscale {
namespace {

/// The least whole number from 1 on that is above `x`; null where it would be too large to mean
/// anything.
std::optional<std::int64_t> first_above(double x) {
  constexpr double kMost = 1e15;
  if (!(x < kMost)) return std::nullopt;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(std::max(x, 0.0))) + 1);
}

}  // namespace

std::optional<TimeLine> fit_line(std::span<const ImagesTime> points) {
  constexpr std::size_t kLeast = 3;
  std::set<std::int64_t> different;
  double mean_images = 0, mean_s = 0;
  for (const ImagesTime& point : points) {
    different.insert(point.images);
    mean_images += static_cast<double>(point.images);
    mean_s += point.time_s;
  }
  if (different.size() < kLeast) return std::nullopt;
  const auto count = static_cast<double>(points.size());
  mean_images /= count;
  mean_s /= count;
  double covariance = 0, variance = 0;  // about the means, so that little cancels
  for (const ImagesTime& point : points) {
    const double images = static_cast<double>(point.images) - mean_images;
    covariance += images * (point.time_s - mean_s);
    variance += images * images;
  }
  const double per_image_s = covariance / variance;
  return TimeLine{mean_s - per_image_s * mean_images, per_image_s};
}

std::optional<std::int64_t> pays_from(const TimeLine& cpu, const TimeLine& gpu) {
  const double extra_s = gpu.fixed_s - cpu.fixed_s;
  const double saved_s = cpu.per_image_s - gpu.per_image_s;
  if (saved_s > 0) return first_above(extra_s / saved_s);
  if (saved_s == 0 && extra_s < 0) return 1;
  return std::nullopt;
}

std::optional<std::int64_t> passes_to_pay(double upload_s, double resident_s, double cpu_s) {
  const double saved_s = cpu_s - resident_s;
  if (!(saved_s > 0)) return std::nullopt;
  return first_above(upload_s / saved_s);
}

}  // namespace convscale
