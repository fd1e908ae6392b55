// SPDX-License-Identifier: Apache-2.0
#include "common/summary.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace convscale {

double median_of(std::span<const double> samples) {
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

std::optional<Interval> interval_of_median(std::span<const double> samples) {
  constexpr double kTail = 0.025;
  const auto n = static_cast<double>(samples.size());
  // P(B = i) of B(n, 1/2), through logarithms: 2^-n is 0 in a double from n = 1075 on.
  const auto log_factorial = [](double m) {
    int sign = 0;  // std::lgamma would leave it in a global, which threads share
    return lgamma_r(m + 1, &sign);
  };
  const auto probability = [&](double i) {
    return std::exp(log_factorial(n) - log_factorial(i) - log_factorial(n - i) - n * std::log(2.0));
  };
  std::size_t k = 0;
  for (double below = probability(0); below <= kTail; ++k)
    below += probability(static_cast<double>(k) + 1);
  if (k == 0) return std::nullopt;
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  return Interval{sorted[k - 1], sorted[sorted.size() - k]};
}

std::optional<double> noise_of(const std::optional<Interval>& interval, double median) {
  if (!interval || median <= 0) return std::nullopt;
  return (interval->high - interval->low) / 2 / median;
}

Summary summarize(std::span<const double> samples) {
  const auto n = static_cast<double>(samples.size());
  Summary s;
  s.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  double squares = 0;
  for (const double x : samples) squares += (x - s.mean) * (x - s.mean);
  s.std = std::sqrt(squares / n);
  s.cv = s.mean > 0 ? s.std / s.mean : 0;
  s.median = median_of(samples);
  const auto [min, max] = std::minmax_element(samples.begin(), samples.end());
  s.min = *min;
  s.max = *max;
  s.median_interval = interval_of_median(samples);

  std::vector<double> deviations;
  for (const double x : samples) deviations.push_back(std::abs(x - s.median));
  constexpr double kScale = 0.6745, kCutoff = 3.5;
  const double mad = median_of(deviations);
  for (const double deviation : deviations) {
    if (mad > 0 && kScale * deviation / mad > kCutoff) ++s.outliers;
  }
  return s;
}

}  // namespace convscale
