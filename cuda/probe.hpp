// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

/// Micro-benchmarks of one device: what kernels, copies and launches are made of.
namespace convscale::cuda {

struct ProbeFigure {
  std::string name;     ///< "read", "link up", ...
  std::string variant;  ///< "16 MiB", "pinned, 33 x 1000^2, needed rows", ...
  double amount = 0;    ///< bytes or FLOPs of one repetition; of a launch, 1
  std::string unit;     ///< of the amount: "byte", "FLOP", "launch", "event"
  double seconds = 0;   ///< of one repetition, the median; by the device's events
  double per_second() const { return amount / seconds; }
};

/// Takes each figure, and says whether to go on.
using OnFigure = std::function<bool(const ProbeFigure&)>;

/// Measures device `index`, which exists, until `on_figure` says no: first the ceilings that the
/// bounds are made of, then what explains them. All memory is generated numbers, nothing is timed
/// on zeros. Sizes that are large for the device's memory are left out. Throws ResourceError.
void probe(int index, const OnFigure& on_figure);

}  // namespace convscale::cuda
