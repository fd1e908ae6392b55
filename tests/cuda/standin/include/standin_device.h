// SPDX-License-Identifier: Apache-2.0
// What CUDA's compiler and headers give to device code, as plain C++. The threads of a block are
// run by ../grid.cpp.
#pragma once

#include "vector_types.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the names are CUDA's

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__
// Of the keywords that may follow `extern` and that make a local variable static by themselves,
// there is this one. Blocks run one after another, so that one copy is enough.
#if defined(__clang__)
#define __shared__ thread_local  // its constinit asks for an initialiser
#else
#define __shared__ constinit thread_local
#endif

// libstdc++ spells an attribute like this keyword of CUDA's, so the keyword has to stay a name:
// what uses it includes <memory> above before it becomes one.
#define __noinline__ __attribute__((noinline))

namespace convscale::standin {

/// A place in the source.
struct Place {
  const char* file;
  int line;
  const char* function;
  bool operator==(const Place& other) const {
    return line == other.line && std::strcmp(file, other.file) == 0;
  }
};

/// Blocks until all threads of the block are here.
void sync_threads(const Place& place);
/// Blocks until all threads of the warp that `mask` names are here; returns those that were.
unsigned sync_warp(unsigned mask, const Place& place);
/// The same; returns those whose predicate is true.
unsigned ballot(unsigned mask, bool predicate, const Place& place);
/// The same; `value` (of at most 16 bytes) becomes that of lane `source`.
void shuffle(unsigned mask, void* value, std::size_t bytes, int source, const Place& place);
/// Lanes of the warp that have not returned.
unsigned active_lanes();
/// The lane of the running thread.
int lane_index();
/// An asynchronous copy to shared memory, made by wait_for_copies.
void copy_async(void* target, const void* source, std::size_t bytes, std::size_t zeros,
                const Place& place);
void commit_copies();
void wait_for_copies(std::size_t groups_in_flight);
/// Ends the kernel with an error.
[[noreturn]] void device_trap(const Place& place);

template <class T>
T shuffled(unsigned mask, T value, int source, const Place& place) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8);
  shuffle(mask, &value, sizeof(T), source, place);
  return value;
}

/// `width` lanes from `first` on share a shuffle.
struct Segment {
  int lane, first, last;
  explicit Segment(int width)
      : lane(lane_index()), first(lane & ~(width - 1)), last(first + width - 1) {}
};

}  // namespace convscale::standin

// Where the running thread is: the scheduler sets them while a kernel runs.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
extern const int warpSize;

// A caller's own place, as a default argument.
#define CONVSCALE_STANDIN_PLACE                                     \
  const char *file = __builtin_FILE(), int line = __builtin_LINE(), \
             const char *function = __builtin_FUNCTION()
#define CONVSCALE_STANDIN_HERE \
  ::convscale::standin::Place { file, line, function }

inline void __syncthreads(CONVSCALE_STANDIN_PLACE) {
  convscale::standin::sync_threads(CONVSCALE_STANDIN_HERE);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, CONVSCALE_STANDIN_PLACE) {
  convscale::standin::sync_warp(mask, CONVSCALE_STANDIN_HERE);
}
inline unsigned __activemask() { return convscale::standin::active_lanes(); }
inline unsigned __ballot_sync(unsigned mask, int predicate, CONVSCALE_STANDIN_PLACE) {
  return convscale::standin::ballot(mask, predicate != 0, CONVSCALE_STANDIN_HERE);
}
inline int __any_sync(unsigned mask, int predicate, CONVSCALE_STANDIN_PLACE) {
  return convscale::standin::ballot(mask, predicate != 0, CONVSCALE_STANDIN_HERE) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate, CONVSCALE_STANDIN_PLACE) {
  return convscale::standin::ballot(mask, predicate == 0, CONVSCALE_STANDIN_HERE) == 0 ? 1 : 0;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, CONVSCALE_STANDIN_PLACE) {
  const convscale::standin::Segment segment(width);
  return convscale::standin::shuffled(mask, value, segment.first + (source & (width - 1)),
                                      CONVSCALE_STANDIN_HERE);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, CONVSCALE_STANDIN_PLACE) {
  const convscale::standin::Segment segment(width);
  const int source = segment.lane - static_cast<int>(delta);
  return convscale::standin::shuffled(mask, value, source < segment.first ? segment.lane : source,
                                      CONVSCALE_STANDIN_HERE);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   CONVSCALE_STANDIN_PLACE) {
  const convscale::standin::Segment segment(width);
  const int source = segment.lane + static_cast<int>(delta);
  return convscale::standin::shuffled(mask, value, source > segment.last ? segment.lane : source,
                                      CONVSCALE_STANDIN_HERE);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, CONVSCALE_STANDIN_PLACE) {
  const convscale::standin::Segment segment(width);
  const int source = segment.lane ^ bits;
  return convscale::standin::shuffled(mask, value, source > segment.last ? segment.lane : source,
                                      CONVSCALE_STANDIN_HERE);
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned) {}
[[noreturn]] inline void __trap(CONVSCALE_STANDIN_PLACE) {
  convscale::standin::device_trap(CONVSCALE_STANDIN_HERE);
}
long long clock64();

namespace convscale::standin {
inline std::atomic<std::int64_t> device_loaded_bytes{0};  // by __ldg
}  // namespace convscale::standin

template <class T>
T __ldg(const T* address) {
  convscale::standin::device_loaded_bytes.fetch_add(sizeof(T), std::memory_order_relaxed);
  const T& value = *address;  // checked for alignment by compilers
  return value;
}

// Loads and stores with a hint.
#define CONVSCALE_STANDIN_LOAD(name)                                    \
  template <class T>                                                    \
  T name(const T* address) {                                            \
    const T& value = *address; /* checked for alignment by compilers */ \
    return value;                                                       \
  }
#define CONVSCALE_STANDIN_STORE(name)                    \
  template <class T>                                     \
  void name(T* address, std::type_identity_t<T> value) { \
    *address = value;                                    \
  }
CONVSCALE_STANDIN_LOAD(__ldca)
CONVSCALE_STANDIN_LOAD(__ldcg)
CONVSCALE_STANDIN_LOAD(__ldcs)
CONVSCALE_STANDIN_LOAD(__ldcv)
CONVSCALE_STANDIN_LOAD(__ldlu)
CONVSCALE_STANDIN_STORE(__stcg)
CONVSCALE_STANDIN_STORE(__stcs)
CONVSCALE_STANDIN_STORE(__stwb)
CONVSCALE_STANDIN_STORE(__stwt)
#undef CONVSCALE_STANDIN_LOAD
#undef CONVSCALE_STANDIN_STORE

// Atomic operations order nothing but themselves.
#define CONVSCALE_STANDIN_ATOMIC(name, type, updated)                                \
  inline type name(type* address, type value) {                                      \
    std::atomic_ref<type> shared(*address);                                          \
    type old = shared.load(std::memory_order_relaxed);                               \
    while (!shared.compare_exchange_weak(old, updated, std::memory_order_relaxed)) { \
    }                                                                                \
    return old;                                                                      \
  }
#define CONVSCALE_STANDIN_ATOMICS(type)                                     \
  CONVSCALE_STANDIN_ATOMIC(atomicAdd, type, static_cast<type>(old + value)) \
  CONVSCALE_STANDIN_ATOMIC(atomicMin, type, value < old ? value : old)      \
  CONVSCALE_STANDIN_ATOMIC(atomicMax, type, old < value ? value : old)      \
  CONVSCALE_STANDIN_ATOMIC(atomicExch, type, value)
CONVSCALE_STANDIN_ATOMICS(int)
CONVSCALE_STANDIN_ATOMICS(unsigned int)
CONVSCALE_STANDIN_ATOMICS(unsigned long long)
CONVSCALE_STANDIN_ATOMIC(atomicAdd, float, old + value)
CONVSCALE_STANDIN_ATOMIC(atomicAdd, double, old + value)
CONVSCALE_STANDIN_ATOMIC(atomicOr, unsigned int, old | value)
CONVSCALE_STANDIN_ATOMIC(atomicAnd, unsigned int, old& value)
#undef CONVSCALE_STANDIN_ATOMICS
#undef CONVSCALE_STANDIN_ATOMIC

// Arithmetic.
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline int __popc(unsigned value) { return std::popcount(value); }
inline int __popcll(unsigned long long value) { return std::popcount(value); }
inline int __clz(int value) { return std::countl_zero(static_cast<unsigned>(value)); }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
inline long long __double_as_longlong(double value) { return std::bit_cast<long long>(value); }
inline double __longlong_as_double(long long value) { return std::bit_cast<double>(value); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __int_as_float(int value) { return std::bit_cast<float>(value); }
inline float __uint_as_float(unsigned value) { return std::bit_cast<float>(value); }

#define CONVSCALE_STANDIN_MIN_MAX(type)                        \
  constexpr type min(type a, type b) { return b < a ? b : a; } \
  constexpr type max(type a, type b) { return a < b ? b : a; }
CONVSCALE_STANDIN_MIN_MAX(int)
CONVSCALE_STANDIN_MIN_MAX(unsigned int)
CONVSCALE_STANDIN_MIN_MAX(long)
CONVSCALE_STANDIN_MIN_MAX(unsigned long)
CONVSCALE_STANDIN_MIN_MAX(long long)
CONVSCALE_STANDIN_MIN_MAX(unsigned long long)
CONVSCALE_STANDIN_MIN_MAX(float)
CONVSCALE_STANDIN_MIN_MAX(double)
#undef CONVSCALE_STANDIN_MIN_MAX

// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
