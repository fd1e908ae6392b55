// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

/// The loops that measure the ceilings, over a vector type V; see CeilingLoops.
namespace convscale {
namespace {

/// Reads kStreams sequences of 8 KiB side by side with two accumulators each (eight for one), then
/// the next kStreams. In one run, alternating: 31.1 GB/s with one sequence, 33.1 with four, 33.4
/// with eight (two cores of a Xeon, 264 MB of float64, 2026-11-22).
template <class V, int kStreams>
double read_streams(const double* data, std::int64_t count) {
  constexpr std::int64_t kSequence = 1024, kStep = 64 / 8;
  constexpr int kVectors = 64 / 8 / V::kLanes;              // in a line
  constexpr int kLines = kStreams >= 4 ? 2 : 8 / kStreams;  // of a sequence at a time
  constexpr std::int64_t kGroup = kStreams * kSequence;
  typename V::Register sums[8];
  for (auto& sum : sums) sum = V::zero();
  std::int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    for (std::int64_t x = 0; x < kSequence; x += kLines * kStep) {
#pragma GCC unroll 8
      for (int s = 0; s < kStreams; ++s) {
#pragma GCC unroll 8
        for (int v = 0; v < kLines * kVectors; ++v) {
          auto& sum = sums[(s * kLines * kVectors + v) % 8];
          sum = V::add(sum, V::load(data + i + s * kSequence + x + v * V::kLanes));
        }
      }
    }
  }
  for (; i < count; i += V::kLanes) sums[0] = V::add(sums[0], V::load(data + i));
  for (int v = 1; v < 8; ++v) sums[0] = V::add(sums[0], sums[v]);
  return V::sum(sums[0]);
}

template <class V>
double read(const void* data, std::int64_t bytes, int streams) {
  const auto* elements = static_cast<const double*>(data);
  const std::int64_t count = bytes / 8;
  if (streams >= 8) return read_streams<V, 8>(elements, count);
  if (streams >= 4) return read_streams<V, 4>(elements, count);
  if (streams >= 2) return read_streams<V, 2>(elements, count);
  return read_streams<V, 1>(elements, count);
}

/// `count` rounds of kChains independent fused multiply-adds: enough for two units of latency 4 to
/// 5.
template <class V>
double fma(std::int64_t count) {
  using T = typename V::Element;
  constexpr int kChains = 12;
  typename V::Register sums[kChains];
  for (auto& sum : sums) sum = V::broadcast(T(1));
  const auto factor = V::broadcast(T(0.999999)), term = V::broadcast(T(1e-6));
  for (std::int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {  // NOLINT(modernize-loop-convert): it is unrolled
      sums[c] = V::fma(sums[c], factor, term);
    }
  }
  for (int c = 1; c < kChains; ++c) sums[0] = V::add(sums[0], sums[c]);
  // The sum is finite and not zero, so this adds nothing; but the compiler cannot know, and keeps
  // the chains.
  const double unknown = V::sum(sums[0]) == 0.0 ? 1.0 : 0.0;
  return 2.0 * kChains * V::kLanes * static_cast<double>(count) + unknown;
}

template <class Float64, class Float32>
constexpr CeilingLoops make_ceiling_loops(const char* name, unsigned isa) {
  constexpr int kVectorBytes = Float64::kLanes * 8;
  return {name, isa, kVectorBytes, read<Float64>, fma<Float64>, fma<Float32>};
}

}  // namespace
}  // namespace convscale
