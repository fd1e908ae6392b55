// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

namespace convscale {

/// Figures of one sample of times. All times in the samples' unit.
struct Summary {
  double mean = 0;
  double std = 0;  ///< of the population, as numpy.std
  double min = 0;
  double median = 0;
  double max = 0;
  double cv = 0;     ///< coefficient of variation: std / mean
  int outliers = 0;  ///< samples with a modified z-score over 3.5
};

/// Median; the mean of the two middle ones for an even count. `samples` is not empty.
double median_of(std::span<const double> samples);

/// `samples` is not empty. Outliers: |0.6745 (x - median) / MAD| > 3.5 (Iglewicz and Hoaglin,
/// 1993); none where the MAD is 0.
Summary summarize(std::span<const double> samples);

}  // namespace convscale
