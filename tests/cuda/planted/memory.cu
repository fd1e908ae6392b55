// SPDX-License-Identifier: Apache-2.0
// Memory that is not there, not any more, or not aligned.
#include "tests/cuda/planted/planted.hpp"

namespace convscale::cuda::planted {
namespace {

constexpr int kThreads = 64;

/// One thread more than there are numbers.
template <bool kFaulty>
__global__ void increment(int* d_numbers, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (kFaulty ? i <= count : i < count) d_numbers[i] += 1;  // planted: global overrun
}

/// A number behind those that the launch made room for.
template <bool kFaulty>
__global__ void increment_in_shared(int* d_numbers, int count) {
  int* numbers = reinterpret_cast<int*>(dynamic_shared());
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  const int at = kFaulty ? i + 1 : i;
  numbers[at] = d_numbers[i] + 1;  // planted: shared overrun
  d_numbers[i] = numbers[at];
}

template <bool kFaulty>
__global__ void increment_in_array(int* d_numbers, int count) {
  __shared__ int numbers[kThreads];
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  const int at = kFaulty ? i + 1 : i;
  numbers[at] = d_numbers[i] + 1;  // planted: array overrun
  d_numbers[i] = numbers[at];
}

/// Pairs of numbers, from the second number on.
template <bool kFaulty>
__global__ void swap_pairs(int* d_numbers, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count / 2 - 1) return;
  int* d_pair = d_numbers + std::ptrdiff_t{2} * i + (kFaulty ? 1 : 0);
  const int2 pair = __ldg(reinterpret_cast<const int2*>(d_pair));  // planted: misaligned
  d_pair[0] = pair.y;
  d_pair[1] = pair.x;
}

template <class Expected>
bool run(void (*kernel)(int*, int), std::size_t shared_bytes, Expected expected) {
  const Numbers numbers(kThreads);
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(2 * kThreads), shared_bytes, nullptr, numbers.data(),
                   numbers.count);
  const std::vector<int> got = numbers.fetched();
  bool right = true;
  for (int i = 0; i < kThreads; ++i)
    right = right && got[static_cast<std::size_t>(i)] == expected(i);
  return right;
}

int one_more(int i) { return i + 1; }

}  // namespace

bool global_overrun(bool faulty) {
  return run(faulty ? &increment<true> : &increment<false>, 0, one_more);
}

bool dynamic_shared_overrun(bool faulty) {
  return run(faulty ? &increment_in_shared<true> : &increment_in_shared<false>,
             kThreads * sizeof(int), one_more);
}

bool static_shared_overrun(bool faulty) {
  return run(faulty ? &increment_in_array<true> : &increment_in_array<false>, 0, one_more);
}

bool misaligned_load(bool faulty) {
  return run(faulty ? &swap_pairs<true> : &swap_pairs<false>, 0,
             [](int i) { return i < kThreads - 2 ? i ^ 1 : i; });
}

bool freed_in_kernel(bool faulty) {
  Numbers numbers(kThreads);
  int* d_numbers = numbers.data();
  DeviceBuffer freed = std::move(numbers.device);
  if (faulty) freed = DeviceBuffer();
  const auto kernel = &increment<false>;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(kThreads), 0, nullptr, d_numbers, kThreads);
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  return true;
}

bool freed_in_copy(bool faulty) {
  Numbers numbers(kThreads);
  int* d_numbers = numbers.data();
  DeviceBuffer freed = std::move(numbers.device);
  if (faulty) {
    DeviceBuffer last;
    std::swap(freed, last);
  }
  std::vector<int> got(kThreads);
  CONVSCALE_CUDA(
      cudaMemcpy(got.data(), d_numbers, got.size() * sizeof(int), cudaMemcpyDeviceToHost));
  return got == numbers.host;
}

}  // namespace convscale::cuda::planted
