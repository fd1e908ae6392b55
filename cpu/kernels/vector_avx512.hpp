// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

#include <immintrin.h>

/// Vectors of AVX-512 for the kernel family in vector_kernel.hpp. Masked-off lanes touch no memory
/// and load as 0.
namespace convscale {
namespace {

/// Sums of 6 x 3 vectors leave 14 of 32 registers for 3 vectors of pixels and up to 8 taps.
struct Avx512Tuning {
  static constexpr int kRows = 6, kColumns = 3, kSlice = 8, kRowsSmall = 5, kColumnsSmall = 2;
  static constexpr bool kShifts = true;  ///< has shift_in()
  /// Run by run took 0.84 to 0.96 of the time of block by block (S 2 and 3; S 5 alike), two cores
  /// of an EPYC of Zen 5, 2026-11-28.
  static constexpr bool kSortsRuns = true;
  static constexpr int kWindowSums = 21;  ///< S x windows of a column
  static constexpr int kPrefetch = 3;     ///< into the first-level cache
  /// What stays in a first-level cache of 48 KiB beside what passes through it.
  static constexpr std::int64_t kNearBytes = 32 << 10;
};

struct Avx512Float64 : Avx512Tuning {
  using Element = double;
  using Register = __m512d;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;

  static Register zero() { return _mm512_setzero_pd(); }
  static Register broadcast(double x) { return _mm512_set1_pd(x); }
  static Register load(const double* p) { return _mm512_loadu_pd(p); }
  static Register load(const double* p, Mask mask) { return _mm512_maskz_loadu_pd(mask, p); }
  static void store(double* p, Register v) { _mm512_storeu_pd(p, v); }
  static void store(double* p, Register v, Mask mask) { _mm512_mask_storeu_pd(p, mask, v); }
  static Register add(Register a, Register b) { return _mm512_add_pd(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_pd(a, b, c); }
  /// p[0], p[stride], p[2 stride], ...
  static Register gather(const double* p, std::int64_t stride) {
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_i64gather_pd(_mm512_mullo_epi64(lane, _mm512_set1_epi64(stride)), p, 8);
  }
  /// Lanes l with begin <= l < end.
  static Mask lanes(std::int64_t begin, std::int64_t end) {
    const std::int64_t lo = begin < 0 ? 0 : begin, hi = end > kLanes ? kLanes : end;
    return lo < hi ? static_cast<Mask>(((1u << hi) - 1u) & ~((1u << lo) - 1u)) : Mask{0};
  }
  /// The last kCount lanes of `low` followed by the first ones of `high`.
  template <int kCount>
  static Register shift_in(Register low, Register high) {
    return _mm512_castsi512_pd(
        _mm512_alignr_epi64(_mm512_castpd_si512(high), _mm512_castpd_si512(low), kLanes - kCount));
  }
  /// Lanes whose bits are set come from `b`.
  template <unsigned kFrom>
  static Register blend(Register a, Register b) {
    return _mm512_mask_mov_pd(a, kFrom, b);
  }
  static double sum(Register v) { return _mm512_reduce_add_pd(v); }
  /// Lane l is lane Order::of(l) of (a, b), 0 .. 2 kLanes - 1.
  template <class Order>
  static Register shuffle(Register a, Register b) {
    return __builtin_shufflevector(a, b, Order::of(0), Order::of(1), Order::of(2), Order::of(3),
                                   Order::of(4), Order::of(5), Order::of(6), Order::of(7));
  }
};

struct Avx512Float32 : Avx512Tuning {
  using Element = float;
  using Register = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;

  static Register zero() { return _mm512_setzero_ps(); }
  static Register broadcast(float x) { return _mm512_set1_ps(x); }
  static Register load(const float* p) { return _mm512_loadu_ps(p); }
  static Register load(const float* p, Mask mask) { return _mm512_maskz_loadu_ps(mask, p); }
  static void store(float* p, Register v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, Register v, Mask mask) { _mm512_mask_storeu_ps(p, mask, v); }
  static Register add(Register a, Register b) { return _mm512_add_ps(a, b); }
  static Register fma(Register a, Register b, Register c) { return _mm512_fmadd_ps(a, b, c); }
  static Register gather(const float* p, std::int64_t stride) {
    // 15 strides lie inside one row, so the index fits 32 bits.
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_i32gather_ps(
        _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(stride))), p, 4);
  }
  static Mask lanes(std::int64_t begin, std::int64_t end) {
    const std::int64_t lo = begin < 0 ? 0 : begin, hi = end > kLanes ? kLanes : end;
    return lo < hi ? static_cast<Mask>(((1u << hi) - 1u) & ~((1u << lo) - 1u)) : Mask{0};
  }
  /// The last kCount lanes of `low` followed by the first ones of `high`.
  template <int kCount>
  static Register shift_in(Register low, Register high) {
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(high), _mm512_castps_si512(low), kLanes - kCount));
  }
  template <unsigned kFrom>
  static Register blend(Register a, Register b) {
    return _mm512_mask_mov_ps(a, kFrom, b);
  }
  static double sum(Register v) { return static_cast<double>(_mm512_reduce_add_ps(v)); }
  template <class Order>
  static Register shuffle(Register a, Register b) {
    return __builtin_shufflevector(a, b, Order::of(0), Order::of(1), Order::of(2), Order::of(3),
                                   Order::of(4), Order::of(5), Order::of(6), Order::of(7),
                                   Order::of(8), Order::of(9), Order::of(10), Order::of(11),
                                   Order::of(12), Order::of(13), Order::of(14), Order::of(15));
  }
};

}  // namespace
}  // namespace convscale
