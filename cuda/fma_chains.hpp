// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

/// The arithmetic of one thread of the loop that measures the peak.
namespace convscale::cuda {

constexpr int kFmaChains = 8;  ///< independent sums of a thread, to cover the latency of one
constexpr int kFmaRounds = 4096;

/// kFmaRounds rounds of a multiply-add in each of kFmaChains sums that begin with `begin`, `begin`
/// + 1 and so on; returns the sum of them.
template <class T>
__device__ inline T fma_chains(T begin, T factor) {
  T sum[kFmaChains];
#pragma unroll
  for (int c = 0; c < kFmaChains; ++c) sum[c] = begin + T(c);
#pragma unroll 16
  for (int round = 0; round < kFmaRounds; ++round) {
#pragma unroll
    for (T& s : sum) s = s * factor + T(0.25);
  }
  T total = 0;
#pragma unroll
  for (const T s : sum) total += s;
  return total;
}

}  // namespace convscale::cuda
