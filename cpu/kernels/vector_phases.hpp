// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/vector_sums.hpp"

/// A row of pixels sorted by its columns modulo the stride.
namespace convscale {
namespace {

/// The step of phase() that takes lanes from vector kN; the others stay, or come from vector 0.
template <int kLanes, int kS, int kPhase, int kN>
struct PhaseOrder {
  static constexpr int of(int lane) {
    const int column = kS * lane + kPhase, vector = column / kLanes;
    return vector == kN ? kLanes + column % kLanes : kN == 1 && vector == 0 ? column : lane;
  }
};

/// Columns kPhase, kPhase + kS, ... of kS vectors of neighbouring columns.
template <class V, int kS, int kPhase, int kN = 1>
__attribute__((always_inline)) inline typename V::Register phase(
    const typename V::Register (&in)[kS], typename V::Register so_far) {
  if constexpr (kN < kS) {
    return phase<V, kS, kPhase, kN + 1>(
        in, V::template shuffle<PhaseOrder<V::kLanes, kS, kPhase, kN>>(so_far, in[kN]));
  } else {
    return so_far;
  }
}

/// Calls `body(r, phase)` for r = 0, 1, .. below `count`: the columns that are r to the left of the
/// last of each kS.
template <class V, int kS, int kR = 0, class Body>
__attribute__((always_inline)) inline void for_each_phase(const typename V::Register (&in)[kS],
                                                          std::int64_t count, const Body& body) {
  if constexpr (kR < kS) {
    if (kR >= count) return;
    body(kR, phase<V, kS, kS - 1 - kR>(in, in[0]));
    for_each_phase<V, kS, kR + 1>(in, count, body);
  }
}

}  // namespace
}  // namespace convscale
