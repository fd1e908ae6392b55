// SPDX-License-Identifier: Apache-2.0
// What CUDA's compiler and headers give to device code, as plain C++. The threads of a block are
// run by ../scheduler.cpp.
#pragma once

#include "vector_types.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the names are CUDA's

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
// Of the keywords that may follow `extern` and that make a local variable static by themselves,
// there is this one. Blocks run one after another, so that one copy is enough.
#if defined(__clang__)
#define __shared__ thread_local  // its constinit asks for an initialiser
#else
#define __shared__ constinit thread_local
#endif

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
/// Blocks until all threads of the warp that `mask` names are here.
void sync_warp(unsigned mask, const Place& place);
/// The same; `value` (of at most 16 bytes) becomes that of lane `source`.
void shuffle(unsigned mask, void* value, std::size_t bytes, int source, const Place& place);
/// The lane of the running thread.
int lane_index();
/// An asynchronous copy to shared memory, made by wait_for_copies.
void copy_async(void* target, const void* source, std::size_t bytes, std::size_t zeros,
                const Place& place);
void commit_copies();
void wait_for_copies(std::size_t groups_in_flight);

/// What was read with __ldg.
inline std::atomic<std::int64_t> device_loaded_bytes{0};

}  // namespace convscale::standin

// Where the running thread is: the scheduler sets them while a kernel runs.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

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
template <class T>
T __shfl_sync(unsigned mask, T value, int source, CONVSCALE_STANDIN_PLACE) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8);
  convscale::standin::shuffle(mask, &value, sizeof(T), source, CONVSCALE_STANDIN_HERE);
  return value;
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, CONVSCALE_STANDIN_PLACE) {
  const int lane = convscale::standin::lane_index(), source = lane - static_cast<int>(delta);
  return __shfl_sync(mask, value, source < 0 ? lane : source, file, line, function);
}

template <class T>
T __ldg(const T* address) {
  convscale::standin::device_loaded_bytes.fetch_add(sizeof(T), std::memory_order_relaxed);
  const T& value = *address;  // checked for alignment by compilers
  return value;
}

// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
