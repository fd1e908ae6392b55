// SPDX-License-Identifier: Apache-2.0
// Barriers that are missing, or that not all threads come to.
#include "tests/cuda/planted/planted.hpp"

namespace convscale::cuda::planted {
namespace {

constexpr int kThreads = 64;

/// out[i] = in[i + 1], around the block, through shared memory.
template <bool kFaulty>
__global__ void rotate(int* d_numbers) {
  __shared__ int numbers[kThreads];
  const unsigned i = threadIdx.x;
  numbers[i] = d_numbers[i];  // planted: store
  if constexpr (!kFaulty) __syncthreads();
  d_numbers[i] = numbers[(i + 1) % kThreads];  // planted: load
}

/// The same within a warp.
template <bool kFaulty>
__global__ void rotate_lanes(int* d_numbers) {
  __shared__ int numbers[32];
  const unsigned lane = threadIdx.x;
  numbers[lane] = d_numbers[lane];  // planted: lane store
  if constexpr (!kFaulty) __syncwarp();
  d_numbers[lane] = numbers[(lane + 1) % 32];  // planted: lane load
}

/// The lanes meet in a shuffle, which is no memory barrier.
template <bool kFaulty>
__global__ void rotate_by_shuffle(int* d_numbers) {
  __shared__ int numbers[32];
  const unsigned lane = threadIdx.x;
  numbers[lane] = d_numbers[lane];  // planted: shuffled store
  const int next =
      __shfl_sync(0xFFFFFFFFu, static_cast<int>(lane + 1) % 32, static_cast<int>(lane));
  if constexpr (!kFaulty) __syncwarp();
  d_numbers[lane] = numbers[next];  // planted: shuffled load
}

/// Twice, through the same shared memory: without the second barrier it is filled again while
/// others still read.
template <bool kFaulty>
__global__ void rotate_twice(int* d_numbers) {
  int* numbers = reinterpret_cast<int*>(dynamic_shared());
  const unsigned i = threadIdx.x;
  int mine = d_numbers[i];
  for (int round = 0; round < 2; ++round) {
    numbers[i] = mine;  // planted: store again
    __syncthreads();
    mine = numbers[(i + 1) % kThreads];  // planted: load before
    if constexpr (!kFaulty) __syncthreads();
  }
  d_numbers[i] = mine;
}

/// Half of the threads come to a barrier that the others pass by.
template <bool kFaulty>
__global__ void half_waits(int* d_numbers) {
  const unsigned i = threadIdx.x;
  if (!kFaulty || i % 2 == 0) __syncthreads();  // planted: half
  d_numbers[i] += 1;
}

/// Each half has a barrier of its own.
template <bool kFaulty>
__global__ void halves_wait(int* d_numbers) {
  const unsigned i = threadIdx.x;
  if constexpr (!kFaulty) {  // NOLINT(bugprone-branch-clone): that is the fault
    d_numbers[i] += 1;
    __syncthreads();
  } else if (i % 2 == 0) {
    d_numbers[i] += 1;
    __syncthreads();  // planted: even
  } else {
    __syncthreads();  // planted: odd
    d_numbers[i] += 1;
  }
}

/// Lane 0 takes the number of a lane that left before.
template <bool kFaulty>
__global__ void ask_around(int* d_numbers) {
  const unsigned lane = threadIdx.x;
  if (kFaulty && lane >= 16) return;
  d_numbers[lane] = __shfl_sync(0xFFFFFFFFu, d_numbers[lane],  // planted: shuffle
                                static_cast<int>(lane + 16) % 32);
}

template <class Expected>
bool run(void (*kernel)(int*), int threads, std::size_t shared_bytes, Expected expected) {
  const Numbers numbers(threads);
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(static_cast<unsigned>(threads)), shared_bytes, nullptr,
                   numbers.data());
  const std::vector<int> got = numbers.fetched();
  bool right = true;
  for (int i = 0; i < threads; ++i)
    right = right && got[static_cast<std::size_t>(i)] == expected(i);
  return right;
}

}  // namespace

bool missing_barrier(bool faulty) {
  return run(faulty ? &rotate<true> : &rotate<false>, kThreads, 0,
             [](int i) { return (i + 1) % kThreads; });
}

bool missing_warp_barrier(bool faulty) {
  return run(faulty ? &rotate_lanes<true> : &rotate_lanes<false>, 32, 0,
             [](int i) { return (i + 1) % 32; });
}

bool shuffle_for_barrier(bool faulty) {
  return run(faulty ? &rotate_by_shuffle<true> : &rotate_by_shuffle<false>, 32, 0,
             [](int i) { return (i + 1) % 32; });
}

bool early_reuse(bool faulty) {
  return run(faulty ? &rotate_twice<true> : &rotate_twice<false>, kThreads, kThreads * sizeof(int),
             [](int i) { return (i + 2) % kThreads; });
}

bool barrier_in_a_branch(bool faulty) {
  return run(faulty ? &half_waits<true> : &half_waits<false>, kThreads, 0,
             [](int i) { return i + 1; });
}

bool two_barriers(bool faulty) {
  return run(faulty ? &halves_wait<true> : &halves_wait<false>, kThreads, 0,
             [](int i) { return i + 1; });
}

bool shuffle_from_nobody(bool faulty) {
  return run(faulty ? &ask_around<true> : &ask_around<false>, 32, 0,
             [](int i) { return (i + 16) % 32; });
}

}  // namespace convscale::cuda::planted
