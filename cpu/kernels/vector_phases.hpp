// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernels/vector_sums.hpp"

/// A row of pixels sorted by its columns modulo the stride.
namespace convscale {
namespace {

/// The odd part of S: of so many neighbouring vectors, a phase has at most one column in each lane.
/// Blends collect those, and one permutation brings them into order; with S = 5 it took four
/// without blends.
constexpr int vectors_to_blend(int stride) {
  return stride % 2 == 0 ? vectors_to_blend(stride / 2) : stride;
}

/// Lanes that the blend takes from vector kVector.
template <int kLanes, int kS, int kPhase, int kVector>
constexpr unsigned lanes_of_phase() {
  unsigned lanes = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    lanes |= (kVector * kLanes + lane) % kS == kPhase ? 1u << lane : 0u;
  return lanes;
}

/// The columns of a phase that lie in group kGroup of vectors_to_blend(kS) vectors, each in its
/// lane.
template <class V, int kS, int kPhase, int kGroup, int kN = 1>
__attribute__((always_inline)) inline typename V::Register blended(
    const typename V::Register (&in)[kS], typename V::Register so_far) {
  constexpr int kCount = vectors_to_blend(kS), kVector = kGroup * kCount + kN;
  if constexpr (kN < kCount) {
    constexpr unsigned kFrom = lanes_of_phase<V::kLanes, kS, kPhase, kVector>();
    return blended<V, kS, kPhase, kGroup, kN + 1>(in,
                                                  V::template blend<kFrom>(so_far, in[kVector]));
  } else {
    return so_far;
  }
}

/// The step of phase() that takes lanes from group kGroup; the others stay, or come from group 0.
template <int kLanes, int kS, int kPhase, int kGroup>
struct PhaseOrder {
  static constexpr int of(int lane) {
    const int column = kS * lane + kPhase, group = column / kLanes / vectors_to_blend(kS);
    return group == kGroup             ? (kGroup > 0 ? kLanes : 0) + column % kLanes
           : kGroup == 1 && group == 0 ? column % kLanes
                                       : lane;
  }
};

/// Columns kPhase, kPhase + kS, ... of kS vectors of neighbouring columns.
template <class V, int kS, int kPhase, int kGroup = 1>
__attribute__((always_inline)) inline typename V::Register phase(
    const typename V::Register (&in)[kS], typename V::Register so_far) {
  constexpr int kCount = vectors_to_blend(kS);
  if constexpr (kGroup * kCount < kS) {
    return phase<V, kS, kPhase, kGroup + 1>(
        in, V::template shuffle<PhaseOrder<V::kLanes, kS, kPhase, kGroup>>(
                so_far, blended<V, kS, kPhase, kGroup>(in, in[kGroup * kCount])));
  } else if constexpr (kCount == kS) {
    return V::template shuffle<PhaseOrder<V::kLanes, kS, kPhase, 0>>(so_far, so_far);
  } else {
    return so_far;
  }
}
template <class V, int kS, int kPhase>
__attribute__((always_inline)) inline typename V::Register phase(
    const typename V::Register (&in)[kS]) {
  return phase<V, kS, kPhase>(in, blended<V, kS, kPhase, 0>(in, in[0]));
}

/// The next lane's, of the last the first one's.
template <int kLanes>
struct NextLane {
  static constexpr int of(int lane) { return (lane + 1) % kLanes; }
};

/// The sum of phases r = 0, 1, .. below `count`, which are the columns that are r to the left of
/// the last of each kS. Where one blend makes a phase, phases are summed as blended and brought
/// into order at the end: the lanes of a phase are those of the next one, moved by one.
template <class V, int kS, int kR = 0>
__attribute__((always_inline)) inline typename V::Register sum_of_phases(
    const typename V::Register (&in)[kS], std::int64_t count,
    typename V::Register so_far = V::zero()) {
  constexpr bool kInLanes = vectors_to_blend(kS) == kS;
  if constexpr (kR < kS) {
    if (kR < count) {
      constexpr int kPhase = kS - 1 - kR;
      typename V::Register next;
      if constexpr (kInLanes) {
        next = blended<V, kS, kPhase, 0>(in, in[0]);
        if constexpr (kR > 0) so_far = V::template shuffle<NextLane<V::kLanes>>(so_far, so_far);
      } else {
        next = phase<V, kS, kPhase>(in);
      }
      if constexpr (kR > 0) next = V::add(so_far, next);
      return sum_of_phases<V, kS, kR + 1>(in, count, next);
    }
  }
  if constexpr (kInLanes && kR > 0) {
    return V::template shuffle<PhaseOrder<V::kLanes, kS, kS - kR, 0>>(so_far, so_far);
  } else {
    return so_far;
  }
}

/// Calls `body(r, phase)` for r = 0, 1, .. below `count`, as sum_of_phases has them.
template <class V, int kS, int kR = 0, class Body>
__attribute__((always_inline)) inline void for_each_phase(const typename V::Register (&in)[kS],
                                                          std::int64_t count, const Body& body) {
  if constexpr (kR < kS) {
    if (kR >= count) return;
    body(kR, phase<V, kS, kS - 1 - kR>(in));
    for_each_phase<V, kS, kR + 1>(in, count, body);
  }
}

}  // namespace
}  // namespace convscale
