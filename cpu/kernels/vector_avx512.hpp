// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/row_kernel.hpp"

#include <immintrin.h>

/// Vectors of AVX-512 for the kernel family in vector_kernel.hpp. Masked-off lanes touch no memory
/// and load as 0.
namespace convscale {
namespace {

struct Avx512Float64 {
  using Element = double;
  using Register = __m512d;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  /// Columns, in vectors, of a block of outputs: for any filter, and for those of up to 5 x 5,
  /// whose taps want registers too. With kRowGroup rows that is 20 and 10 sums in 32 registers.
  static constexpr int kColumns = 4, kColumnsSmall = 2;

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
  static double sum(Register v) { return _mm512_reduce_add_pd(v); }
  /// The upper `kCount` lanes of `low` followed by the lower ones of `high`.
  template <int kCount>
  static Register shift_in(Register low, Register high) {
    return _mm512_castsi512_pd(
        _mm512_alignr_epi64(_mm512_castpd_si512(high), _mm512_castpd_si512(low), kLanes - kCount));
  }
  /// The same for a count of 0 .. kMaxShiftIn that the compiler knows once the loop is unrolled.
  static constexpr int kMaxShiftIn = 4;
  static Register shift_in(Register low, Register high, std::int64_t count) {
    return count == 1   ? shift_in<1>(low, high)
           : count == 2 ? shift_in<2>(low, high)
           : count == 3 ? shift_in<3>(low, high)
           : count == 4 ? shift_in<4>(low, high)
                        : high;
  }
  using Index = std::int64_t;
  /// Lane l is lane index[l] of (low, high), 0 .. 2 kLanes - 1.
  static Register select(Register low, const Index* index, Register high) {
    return _mm512_permutex2var_pd(low, _mm512_load_si512(index), high);
  }
};

struct Avx512Float32 {
  using Element = float;
  using Register = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static constexpr int kColumns = 4, kColumnsSmall = 2;

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
  static double sum(Register v) { return static_cast<double>(_mm512_reduce_add_ps(v)); }
  template <int kCount>
  static Register shift_in(Register low, Register high) {
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(high), _mm512_castps_si512(low), kLanes - kCount));
  }
  static constexpr int kMaxShiftIn = 4;
  static Register shift_in(Register low, Register high, std::int64_t count) {
    return count == 1   ? shift_in<1>(low, high)
           : count == 2 ? shift_in<2>(low, high)
           : count == 3 ? shift_in<3>(low, high)
           : count == 4 ? shift_in<4>(low, high)
                        : high;
  }
  using Index = std::int32_t;
  static Register select(Register low, const Index* index, Register high) {
    return _mm512_permutex2var_ps(low, _mm512_load_si512(index), high);
  }
};

}  // namespace
}  // namespace convscale
