// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

#include <immintrin.h>

/// Vectors of AVX2 for the kernel family in vector_kernel.hpp. Masked-off lanes touch no memory and
/// load as 0.
namespace convscale {
namespace {

/// Sums of 4 x 2 vectors leave 8 of 16 registers for 2 vectors of pixels and up to 4 taps.
struct Avx2Tuning {
  static constexpr int kRows = 4, kColumns = 2, kSlice = 4, kRowsSmall = 4, kColumnsSmall = 2;
  /// Shifts across the halves of a register cost more than loads.
  static constexpr bool kShifts = false;
  /// Block by block took 0.78 to 1 of the time of run by run (S 2 to 5), two cores of an EPYC of
  /// Zen 5, 2026-11-28.
  static constexpr bool kSortsRuns = false;
  static constexpr int kWindowSums = 15;  ///< S x windows of a column
  static constexpr int kPrefetch = 3;     ///< into the first-level cache
  /// What stays in a first-level cache of 32 KiB beside what passes through it.
  static constexpr std::int64_t kNearBytes = 20 << 10;
};

struct Avx2Float64 : Avx2Tuning {
  using Element = double;
  using Register = __m256d;
  using Mask = __m256i;
  static constexpr int kLanes = 4;

  static Register zero() { return _mm256_setzero_pd(); }
  static Register broadcast(double x) { return _mm256_set1_pd(x); }
  static Register load(const double* p) { return _mm256_loadu_pd(p); }
  static Register load(const double* p, Mask mask) { return _mm256_maskload_pd(p, mask); }
  static void store(double* p, Register v) { _mm256_storeu_pd(p, v); }
  static void store(double* p, Register v, Mask mask) { _mm256_maskstore_pd(p, mask, v); }
  static Register add(Register a, Register b) { return _mm256_add_pd(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_pd(a, b, c); }
  /// p[0], p[stride], p[2 stride], ...
  static Register gather(const double* p, std::int64_t stride) {
    return _mm256_set_pd(p[3 * stride], p[2 * stride], p[stride], p[0]);
  }
  /// Lanes l with begin <= l < end.
  static Mask lanes(std::int64_t begin, std::int64_t end) {
    const __m256i index = _mm256_set_epi64x(3, 2, 1, 0);
    return _mm256_andnot_si256(_mm256_cmpgt_epi64(_mm256_set1_epi64x(begin), index),
                               _mm256_cmpgt_epi64(_mm256_set1_epi64x(end), index));
  }
  /// Lanes whose bits are set come from `b`.
  template <unsigned kFrom>
  static Register blend(Register a, Register b) {
    return _mm256_blend_pd(a, b, kFrom);
  }
  static double sum(Register v) {
    alignas(32) double x[kLanes];
    _mm256_store_pd(x, v);
    return (x[0] + x[1]) + (x[2] + x[3]);
  }
  /// Lane l is lane Order::of(l) of (a, b), 0 .. 2 kLanes - 1.
  template <class Order>
  static Register shuffle(Register a, Register b) {
    return __builtin_shufflevector(a, b, Order::of(0), Order::of(1), Order::of(2), Order::of(3));
  }
};

struct Avx2Float32 : Avx2Tuning {
  using Element = float;
  using Register = __m256;
  using Mask = __m256i;
  static constexpr int kLanes = 8;

  static Register zero() { return _mm256_setzero_ps(); }
  static Register broadcast(float x) { return _mm256_set1_ps(x); }
  static Register load(const float* p) { return _mm256_loadu_ps(p); }
  static Register load(const float* p, Mask mask) { return _mm256_maskload_ps(p, mask); }
  static void store(float* p, Register v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, Register v, Mask mask) { _mm256_maskstore_ps(p, mask, v); }
  static Register add(Register a, Register b) { return _mm256_add_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm256_fmadd_ps(a, b, c); }
  static Register gather(const float* p, std::int64_t stride) {
    return _mm256_set_ps(p[7 * stride], p[6 * stride], p[5 * stride], p[4 * stride], p[3 * stride],
                         p[2 * stride], p[stride], p[0]);
  }
  static Mask lanes(std::int64_t begin, std::int64_t end) {
    const auto clamp = [](std::int64_t x) {
      return static_cast<int>(x < 0 ? 0 : x > kLanes ? kLanes : x);
    };
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(clamp(begin)), index),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(clamp(end)), index));
  }
  template <unsigned kFrom>
  static Register blend(Register a, Register b) {
    return _mm256_blend_ps(a, b, kFrom);
  }
  static double sum(Register v) {
    alignas(32) float x[kLanes];
    _mm256_store_ps(x, v);
    double total = 0;
    for (const float lane : x) total += static_cast<double>(lane);
    return total;
  }
  template <class Order>
  static Register shuffle(Register a, Register b) {
    return __builtin_shufflevector(a, b, Order::of(0), Order::of(1), Order::of(2), Order::of(3),
                                   Order::of(4), Order::of(5), Order::of(6), Order::of(7));
  }
};

}  // namespace
}  // namespace convscale
