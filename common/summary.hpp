// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

namespace convscale {

/// A range in which a figure lies with 95 % confidence.
struct Interval {
  double low = 0;
  double high = 0;
};

/// Half of a median's interval as a share of the median: how well it is known. Null without one.
std::optional<double> noise_of(const std::optional<Interval>& interval, double median);

/// Figures of one sample of times. All times in the samples' unit.
struct Summary {
  double mean = 0;
  double std = 0;  ///< of the population, as numpy.std
  double min = 0;
  double median = 0;
  double max = 0;
  double cv = 0;                                 ///< coefficient of variation: std / mean
  int outliers = 0;                              ///< samples with a modified z-score over 3.5
  std::optional<Interval> median_interval = {};  ///< see interval_of_median

  std::optional<double> noise() const { return noise_of(median_interval, median); }
};

/// Median; the mean of the two middle ones for an even count. `samples` is not empty.
double median_of(std::span<const double> samples);

/// The median's interval of 95 % confidence, whatever the distribution: the order statistics x_(k)
/// and x_(n-k+1) with the largest k such that P(B(n, 1/2) < k) <= 2.5 % (David and Nagaraja, Order
/// Statistics, 7.1). Null for fewer than six samples, which cannot give so much.
std::optional<Interval> interval_of_median(std::span<const double> samples);

/// `samples` is not empty. Outliers: |0.6745 (x - median) / MAD| > 3.5 (Iglewicz and Hoaglin,
/// 1993); none where the MAD is 0.
Summary summarize(std::span<const double> samples);

}  // namespace convscale
