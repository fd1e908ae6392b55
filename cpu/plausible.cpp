// SPDX-License-Identifier: Apache-2.0
#include "cpu/plausible.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convscale {

std::optional<std::string> remark_on_peak(double flops_per_s, int cores, const CeilingLoops& loops,
                                          Dtype dtype, const std::optional<ProcessorClock>& clock) {
  if (!clock || cores < 1) return std::nullopt;
  const std::int64_t lanes = loops.vector_bytes / size_of(dtype);
  const int units = loops.vector_bytes > 16 ? 2 : 4;
  constexpr double kFlopsOfLane = 2;
  const double most = cores * clock->most_hz() * units * static_cast<double>(lanes) * kFlopsOfLane;
  if (flops_per_s <= most) return std::nullopt;
  return fmt::format(
      "the FMA peak of {:.1f} GFLOP/s is more than {} core{} with a clock of {:.2f} GHz can do "
      "({:.1f} GFLOP/s): this peak is wrong",
      flops_per_s * 1e-9, cores, cores == 1 ? "" : "s", clock->hz * 1e-9, most * 1e-9);
}

std::optional<std::string> remark_on_reads(std::span<const double> best_bytes_per_s) {
  constexpr double kMost = 50;
  const auto [slowest, fastest] =
      std::minmax_element(best_bytes_per_s.begin(), best_bytes_per_s.end());
  if (best_bytes_per_s.empty() || *fastest <= kMost * *slowest) return std::nullopt;
  return fmt::format(
      "worker {} read {:.0f} times as fast as worker {} in their best passes ({:.1f} and {:.1f} "
      "GB/s): the read bandwidth is doubtful",
      fastest - best_bytes_per_s.begin(), *fastest / *slowest, slowest - best_bytes_per_s.begin(),
      *fastest * 1e-9, *slowest * 1e-9);
}

}  // namespace convscale
