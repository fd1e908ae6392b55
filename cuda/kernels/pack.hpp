// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace convscale::cuda {

/// 16 bytes of elements, what one thread moves with one instruction.
template <class T>
struct Pack;
template <>
struct Pack<double> {
  static constexpr int kElements = 2;
  using Vector = double2;
  double element[2];
};
template <>
struct Pack<float> {
  static constexpr int kElements = 4;
  using Vector = float4;
  float element[4];
};

__device__ __forceinline__ Pack<double> unpacked(double2 v) { return {{v.x, v.y}}; }
__device__ __forceinline__ Pack<float> unpacked(float4 v) { return {{v.x, v.y, v.z, v.w}}; }
__device__ __forceinline__ double2 packed(const double (&e)[2]) { return make_double2(e[0], e[1]); }
__device__ __forceinline__ float4 packed(const float (&e)[4]) {
  return make_float4(e[0], e[1], e[2], e[3]);
}

/// Pixels column .. column + kElements - 1 of the row that starts at `row`; those outside of
/// 0..width-1 are 0. kAligned: `row` lies on 16 bytes, and `column` and `width` are multiples of
/// kElements, so that all of them are inside or none.
template <class T, bool kAligned>
__device__ __forceinline__ Pack<T> load_pixels(const T* row, int column, int width) {
  using P = Pack<T>;
  P pack{};
  if constexpr (kAligned) {
    if (column >= 0 && column < width)
      pack = unpacked(__ldg(reinterpret_cast<const typename P::Vector*>(row + column)));
  } else {
#pragma unroll
    for (int e = 0; e < P::kElements; ++e) {
      if (column + e >= 0 && column + e < width) pack.element[e] = __ldg(row + column + e);
    }
  }
  return pack;
}

/// True where every row of every image starts on 16 bytes, if the first one does.
template <class T>
constexpr bool rows_are_aligned(std::int64_t width) {
  return width % Pack<T>::kElements == 0;
}

}  // namespace convscale::cuda
