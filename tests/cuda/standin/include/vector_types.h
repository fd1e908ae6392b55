// SPDX-License-Identifier: Apache-2.0
// The vector types of the stand-in's CUDA, aligned as a device wants them, so that the undefined
// behaviour sanitizer sees a misaligned load.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

#define CONVSCALE_STANDIN_VECTOR_1(type, name) \
  struct name##1 {                             \
    type x;                                    \
  };                                           \
  constexpr name##1 make_##name##1(type x) { return {x}; }
#define CONVSCALE_STANDIN_VECTOR_2(type, name, alignment) \
  struct alignas(alignment) name##2 {                     \
    type x, y;                                            \
  };                                                      \
  constexpr name##2 make_##name##2(type x, type y) { return {x, y}; }
#define CONVSCALE_STANDIN_VECTOR_3(type, name) \
  struct name##3 {                             \
    type x, y, z;                              \
  };                                           \
  constexpr name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }
#define CONVSCALE_STANDIN_VECTOR_4(type, name, suffix, alignment)                    \
  struct alignas(alignment) name##4##suffix {                                        \
    type x, y, z, w;                                                                 \
  };                                                                                 \
  constexpr name##4##suffix make_##name##4##suffix(type x, type y, type z, type w) { \
    return {x, y, z, w};                                                             \
  }
#define CONVSCALE_STANDIN_VECTORS(type, name)              \
  CONVSCALE_STANDIN_VECTOR_1(type, name)                   \
  CONVSCALE_STANDIN_VECTOR_2(type, name, 2 * sizeof(type)) \
  CONVSCALE_STANDIN_VECTOR_3(type, name)                   \
  CONVSCALE_STANDIN_VECTOR_4(type, name, , sizeof(type) < 8 ? 4 * sizeof(type) : 16)
#define CONVSCALE_STANDIN_WIDE_VECTORS(type, name) \
  CONVSCALE_STANDIN_VECTORS(type, name)            \
  CONVSCALE_STANDIN_VECTOR_4(type, name, _16a, 16) \
  CONVSCALE_STANDIN_VECTOR_4(type, name, _32a, 32)

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
#undef CONVSCALE_STANDIN_VECTOR_3
#undef CONVSCALE_STANDIN_VECTOR_2
#undef CONVSCALE_STANDIN_VECTOR_1

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1)
      : x(vx), y(vy), z(vz) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

// NOLINTEND(readability-identifier-naming)
