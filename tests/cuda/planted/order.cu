// SPDX-License-Identifier: Apache-2.0
// Work that nothing puts in order.
#include "tests/cuda/planted/planted.hpp"

namespace convscale::cuda::planted {
namespace {

constexpr int kThreads = 64;

__global__ void increment(int* d_numbers) {
  d_numbers[blockIdx.x * kThreads + threadIdx.x] += 1;  // planted: increment
}

/// Sums neighbours into one number for each pair of threads; the neighbour of a block's last thread
/// is in the next one.
template <bool kFaulty>
__global__ void gather(const int* d_numbers, int* d_sums) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  const unsigned target = (i + 1) / 2;
  if constexpr (kFaulty) {
    d_sums[target] += d_numbers[i];  // planted: sum
  } else {
    atomicAdd(d_sums + target, d_numbers[i]);
  }
}

std::size_t size(std::int64_t bytes) { return static_cast<std::size_t>(bytes); }

bool is_incremented(const std::vector<int>& numbers, int by) {
  bool right = true;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    right = right && numbers[i] == static_cast<int>(i) + by;
  return right;
}

}  // namespace

/// The host reads what a copy has yet to bring.
bool missing_wait(bool faulty) {
  const Numbers numbers(kThreads);
  const Stream stream;
  std::vector<int> got(kThreads);
  const auto kernel = &increment;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(kThreads), 0, stream.get(), numbers.data());
  CONVSCALE_CUDA(cudaMemcpyAsync(got.data(), numbers.data(), size(numbers.bytes()),
                                 cudaMemcpyDeviceToHost, stream.get()));
  if (!faulty) stream.synchronize();
  const bool right = is_incremented(got, 1);
  stream.synchronize();
  return right;
}

/// A stream uses what another one makes.
bool missing_event(bool faulty) {
  const Numbers numbers(kThreads);
  const Stream first, second;
  const Event made;
  const auto kernel = &increment;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(kThreads), 0, first.get(), numbers.data());
  made.record(first);
  if (!faulty) CONVSCALE_CUDA(cudaStreamWaitEvent(second.get(), made.get(), cudaEventWaitDefault));
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(kThreads), 0, second.get(), numbers.data());
  std::vector<int> got(kThreads);
  CONVSCALE_CUDA(cudaMemcpyAsync(got.data(), numbers.data(), size(numbers.bytes()),
                                 cudaMemcpyDeviceToHost, second.get()));
  second.synchronize();
  return is_incremented(got, 2);
}

/// The host fills a buffer again that is still to be copied.
bool overwritten_source(bool faulty) {
  Numbers numbers(kThreads);
  const Stream stream;
  CONVSCALE_CUDA(cudaMemcpyAsync(numbers.data(), numbers.host.data(), size(numbers.bytes()),
                                 cudaMemcpyHostToDevice, stream.get()));
  if (!faulty) stream.synchronize();
  numbers.host.assign(numbers.host.size(), -1);  // planted: overwrite
  stream.synchronize();
  return is_incremented(numbers.fetched(), 0);
}

/// A stream uses what a copy that has returned may have yet to bring.
bool upload_under_way(bool faulty) {
  const Numbers numbers(kThreads);
  const Stream stream;
  const std::vector<int> pageable(kThreads, 7);
  CONVSCALE_CUDA(
      cudaMemcpy(numbers.data(), pageable.data(), size(numbers.bytes()), cudaMemcpyHostToDevice));
  if (!faulty) CONVSCALE_CUDA(cudaDeviceSynchronize());
  const auto kernel = &increment;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(kThreads), 0, stream.get(), numbers.data());
  stream.synchronize();
  return numbers.fetched() == std::vector<int>(kThreads, 8);
}

/// Two blocks add to one number.
bool blocks_that_race(bool faulty) {
  const Numbers numbers(2 * kThreads), sums(kThreads + 1);
  const auto kernel = faulty ? &gather<true> : &gather<false>;
  CONVSCALE_CUDA(cudaMemset(sums.data(), 0, size(sums.bytes())));
  CONVSCALE_LAUNCH(kernel, dim3(2), dim3(kThreads), 0, nullptr, numbers.data(), sums.data());
  const std::vector<int> got = sums.fetched();
  return got[kThreads / 2] == 2 * kThreads - 1;
}

}  // namespace convscale::cuda::planted
