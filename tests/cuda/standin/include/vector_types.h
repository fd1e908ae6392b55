// SPDX-License-Identifier: Apache-2.0
// The vector types of the stand-in's CUDA, aligned as a device wants them, so that the undefined
// behaviour sanitizer sees a misaligned load.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

#define CONVSCALE_STANDIN_VECTOR_4(type, name, alignment) \
  struct alignas(alignment) name {                        \
    type x, y, z, w;                                      \
  };
#define CONVSCALE_STANDIN_VECTORS(type, name) \
  struct name##1 {                            \
    type x;                                   \
  };                                          \
  struct alignas(2 * sizeof(type)) name##2 {  \
    type x, y;                                \
  };                                          \
  struct name##3 {                            \
    type x, y, z;                             \
  };                                          \
  CONVSCALE_STANDIN_VECTOR_4(type, name##4, sizeof(type) < 8 ? 4 * sizeof(type) : 16)
#define CONVSCALE_STANDIN_WIDE_VECTORS(type, name)  \
  CONVSCALE_STANDIN_VECTORS(type, name)             \
  CONVSCALE_STANDIN_VECTOR_4(type, name##4_16a, 16) \
  CONVSCALE_STANDIN_VECTOR_4(type, name##4_32a, 32)

CONVSCALE_STANDIN_VECTORS(signed char, char)
CONVSCALE_STANDIN_VECTORS(unsigned char, uchar)
CONVSCALE_STANDIN_VECTORS(short, short)
CONVSCALE_STANDIN_VECTORS(unsigned short, ushort)
CONVSCALE_STANDIN_VECTORS(int, int)
CONVSCALE_STANDIN_VECTORS(unsigned int, uint)
CONVSCALE_STANDIN_VECTORS(float, float)
CONVSCALE_STANDIN_WIDE_VECTORS(long, long)
CONVSCALE_STANDIN_WIDE_VECTORS(unsigned long, ulong)
CONVSCALE_STANDIN_WIDE_VECTORS(long long, longlong)
CONVSCALE_STANDIN_WIDE_VECTORS(unsigned long long, ulonglong)
CONVSCALE_STANDIN_WIDE_VECTORS(double, double)

#undef CONVSCALE_STANDIN_WIDE_VECTORS
#undef CONVSCALE_STANDIN_VECTORS
#undef CONVSCALE_STANDIN_VECTOR_4

constexpr double2 make_double2(double x, double y) { return {x, y}; }
constexpr float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1)
      : x(vx), y(vy), z(vz) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

// NOLINTEND(readability-identifier-naming)
