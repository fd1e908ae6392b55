// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace convscale::cuda {

/// When something was under way, in seconds: (begin, end).
using Interval = std::pair<double, double>;

/// Seconds in which at least one of the intervals was under way.
inline double length_of_union(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end());
  double length = 0, covered_to = -std::numeric_limits<double>::infinity();
  for (const auto& [begin, end] : intervals) {
    length += std::max(0.0, end - std::max(begin, covered_to));
    covered_to = std::max(covered_to, end);
  }
  return length;
}

}  // namespace convscale::cuda
