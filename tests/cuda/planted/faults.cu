// SPDX-License-Identifier: Apache-2.0
// planted NAME: one small program for a device with a fault in it, one for each kind of fault; what
// reports it is the stand-in, a sanitizer, or the wrong data. planted correct: their twins without
// the fault; 0 if their data came out right and nothing was reported.
#include "cuda/launch.hpp"
#include "cuda/resources.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <cstdio>
#include <exception>
#include <functional>
#include <numeric>
#include <string_view>
#include <vector>

namespace convscale::cuda {
namespace {

constexpr int kCount = 64;
constexpr std::size_t kBytes = kCount * sizeof(int);

/// 0, 1, 2, ... on the device.
struct Numbers {
  std::vector<int> host = std::vector<int>(kCount);
  DeviceBuffer device{kBytes};

  Numbers() {
    std::iota(host.begin(), host.end(), 0);
    CONVSCALE_CUDA(cudaMemcpy(data(), host.data(), kBytes, cudaMemcpyHostToDevice));
    CONVSCALE_CUDA(cudaDeviceSynchronize());
  }
  int* data() const { return reinterpret_cast<int*>(device.data()); }
  std::vector<int> fetched() const {
    std::vector<int> numbers(kCount);
    CONVSCALE_CUDA(cudaMemcpy(numbers.data(), data(), kBytes, cudaMemcpyDeviceToHost));
    return numbers;
  }
};

std::vector<int> incremented(int by) {
  std::vector<int> numbers(kCount);
  std::iota(numbers.begin(), numbers.end(), by);
  return numbers;
}

// --- In a block ---

/// out[i] = in[i + 1], around the block, through shared memory.
template <bool kFaulty>
__global__ void missing_barrier(int* d_numbers) {
  int* numbers = reinterpret_cast<int*>(dynamic_shared());
  const unsigned i = threadIdx.x;
  numbers[i] = d_numbers[i];
  if constexpr (!kFaulty) __syncthreads();
  d_numbers[i] = numbers[(i + 1) % kCount];
}

/// The same within a warp, whose lanes meet in a shuffle, which is no memory barrier.
template <bool kFaulty>
__global__ void missing_warp_barrier(int* d_numbers) {
  int* numbers = reinterpret_cast<int*>(dynamic_shared());
  const unsigned i = threadIdx.x, warp = i / 32 * 32;
  numbers[i] = d_numbers[i];
  const unsigned next = __shfl_sync(0xFFFFFFFFu, (i + 1) % 32, static_cast<int>(i % 32));
  if constexpr (!kFaulty) __syncwarp();
  d_numbers[i] = numbers[warp + next];
}

/// Half of the threads come to a barrier that the others pass by.
template <bool kFaulty>
__global__ void barrier_in_a_branch(int* d_numbers) {
  const unsigned i = threadIdx.x;
  if (!kFaulty || i % 2 == 0) __syncthreads();
  d_numbers[i] += 1;
}

/// Lane 0 takes the number of a lane that left before.
template <bool kFaulty>
__global__ void shuffle_from_nobody(int* d_numbers) {
  const unsigned i = threadIdx.x;
  if (kFaulty && i % 32 >= 16) return;
  const auto lane = static_cast<int>(i % 32 + 16) % 32;
  d_numbers[i] = __shfl_sync(0xFFFFFFFFu, d_numbers[i], lane);
}

/// One number more than there are.
template <bool kFaulty>
__global__ void overrun(int* d_numbers) {
  d_numbers[threadIdx.x] += 1;
  if (kFaulty && threadIdx.x == 0) d_numbers[kCount] += 1;
}

/// A number behind those that the launch made room for.
template <bool kFaulty>
__global__ void shared_overrun(int* d_numbers) {
  int* number = reinterpret_cast<int*>(dynamic_shared()) + threadIdx.x + (kFaulty ? 1 : 0);
  *number = d_numbers[threadIdx.x] + 1;
  d_numbers[threadIdx.x] = *number;
}

/// Pairs of numbers, from the second number on.
template <bool kFaulty>
__global__ void misaligned_load(int* d_numbers) {
  if (threadIdx.x >= kCount / 2 - 1) return;
  int* d_pair = d_numbers + 2 * threadIdx.x + (kFaulty ? 1 : 0);
  const int2 pair = __ldg(reinterpret_cast<const int2*>(d_pair));
  d_pair[0] = pair.y;
  d_pair[1] = pair.x;
}

/// Adds one; neighbouring threads of two blocks to the same number, or each to its own.
template <bool kFaulty>
__global__ void add_one(int* d_numbers) {
  d_numbers[blockIdx.x * (kFaulty ? 1 : blockDim.x) + threadIdx.x] += 1;
}

__global__ void increment(int* d_numbers) { d_numbers[threadIdx.x] += 1; }

using Kernel = void (*)(int*);

void queue(Kernel kernel, const Numbers& numbers, cudaStream_t stream, unsigned blocks = 1,
           std::size_t shared_bytes = 0) {
  CONVSCALE_LAUNCH(kernel, dim3(blocks), dim3(kCount / blocks), shared_bytes, stream,
                   numbers.data());
}

struct Program {
  std::string_view name;
  std::function<bool()> faulty, correct;  ///< whether the data came out right
};

/// One block, with shared memory: number i is to become expected(i).
Program in_a_block(std::string_view name, Kernel faulty, Kernel correct, int (*expected)(int)) {
  const auto runs = [expected](Kernel kernel) {
    const Numbers numbers;
    queue(kernel, numbers, nullptr, 1, kBytes);
    const std::vector<int> got = numbers.fetched();
    bool right = true;
    for (int i = 0; i < kCount; ++i)
      right = right && got[static_cast<std::size_t>(i)] == expected(i);
    return right;
  };
  return {name, [=] { return runs(faulty); }, [=] { return runs(correct); }};
}

int one_more(int i) { return i + 1; }

// --- Of the host ---

template <bool kFaulty>
bool blocks_that_race() {
  const Numbers numbers;
  queue(&add_one<kFaulty>, numbers, nullptr, 2);
  return numbers.fetched() == incremented(1);
}

/// More shared memory than a launch gets that has not asked for it.
template <bool kFaulty>
bool shared_without_asking() {
  const Numbers numbers;
  queue(&increment, numbers, nullptr, 1, std::size_t{kFaulty ? 49 : 48} << 10);
  return numbers.fetched() == incremented(1);
}

template <bool kFaulty>
bool uninitialised() {
  const Numbers numbers;
  const DeviceBuffer fresh(kBytes);
  if (!kFaulty) CONVSCALE_CUDA(cudaMemsetAsync(fresh.data(), 0, kBytes, nullptr));
  CONVSCALE_CUDA(cudaMemcpy(numbers.data(), fresh.data(), kBytes, cudaMemcpyDeviceToDevice));
  return numbers.fetched() == std::vector<int>(kCount, 0);
}

template <bool kFaulty>
bool freed_in_copy() {
  const Numbers numbers;
  Numbers source;
  const int* d_source = source.data();
  if (kFaulty) source.device = DeviceBuffer();
  CONVSCALE_CUDA(cudaMemcpy(numbers.data(), d_source, kBytes, cudaMemcpyDeviceToDevice));
  return numbers.fetched() == incremented(0);
}

/// The host reads what a copy has yet to bring.
template <bool kFaulty>
bool missing_wait() {
  const Numbers numbers;
  const Stream stream;
  std::vector<int> got(kCount);
  queue(&increment, numbers, stream.get());
  CONVSCALE_CUDA(
      cudaMemcpyAsync(got.data(), numbers.data(), kBytes, cudaMemcpyDeviceToHost, stream.get()));
  if (!kFaulty) stream.synchronize();
  const bool right = got == incremented(1);
  stream.synchronize();
  return right;
}

/// A stream uses what another one makes.
template <bool kFaulty>
bool missing_event() {
  const Numbers numbers;
  const Stream first, second;
  const Event made;
  queue(&increment, numbers, first.get());
  made.record(first);
  if (!kFaulty) CONVSCALE_CUDA(cudaStreamWaitEvent(second.get(), made.get()));
  queue(&increment, numbers, second.get());
  std::vector<int> got(kCount);
  CONVSCALE_CUDA(
      cudaMemcpyAsync(got.data(), numbers.data(), kBytes, cudaMemcpyDeviceToHost, second.get()));
  second.synchronize();
  return got == incremented(2);
}

/// A stream uses what a copy from pageable memory, which has returned, may have yet to bring.
template <bool kFaulty>
bool upload_under_way() {
  const Numbers numbers;
  const Stream stream;
  const std::vector<int> pageable = incremented(7);
  CONVSCALE_CUDA(cudaMemcpy(numbers.data(), pageable.data(), kBytes, cudaMemcpyHostToDevice));
  if (!kFaulty) CONVSCALE_CUDA(cudaDeviceSynchronize());
  queue(&increment, numbers, stream.get());
  stream.synchronize();
  return numbers.fetched() == incremented(8);
}

const std::vector<Program>& programs() {
  static const std::vector<Program> kPrograms = {
      in_a_block("missing_barrier", &missing_barrier<true>, &missing_barrier<false>,
                 [](int i) { return (i + 1) % kCount; }),
      in_a_block("missing_warp_barrier", &missing_warp_barrier<true>, &missing_warp_barrier<false>,
                 [](int i) { return i / 32 * 32 + (i + 1) % 32; }),
      in_a_block("barrier_in_a_branch", &barrier_in_a_branch<true>, &barrier_in_a_branch<false>,
                 &one_more),
      in_a_block("shuffle_from_nobody", &shuffle_from_nobody<true>, &shuffle_from_nobody<false>,
                 [](int i) { return i ^ 16; }),
      in_a_block("overrun", &overrun<true>, &overrun<false>, &one_more),
      in_a_block("shared_overrun", &shared_overrun<true>, &shared_overrun<false>, &one_more),
      in_a_block("misaligned_load", &misaligned_load<true>, &misaligned_load<false>,
                 [](int i) { return i < kCount - 2 ? i ^ 1 : i; }),
      {"blocks_that_race", &blocks_that_race<true>, &blocks_that_race<false>},
      {"shared_without_asking", &shared_without_asking<true>, &shared_without_asking<false>},
      {"uninitialised", &uninitialised<true>, &uninitialised<false>},
      {"freed_in_copy", &freed_in_copy<true>, &freed_in_copy<false>},
      {"missing_wait", &missing_wait<true>, &missing_wait<false>},
      {"missing_event", &missing_event<true>, &missing_event<false>},
      {"upload_under_way", &upload_under_way<true>, &upload_under_way<false>},
  };
  return kPrograms;
}

int run(std::string_view name, const std::function<bool()>& is_right) {
  // A fixed seed: what a shuffled order shows is shown every time.
  standin::reset({.seed = 1});
  try {
    if (is_right() && standin::faults().empty()) return 0;
    std::printf("%s: wrong result\n", name.data());
  } catch (const std::exception& error) {
    std::printf("%s: refused: %s\n", name.data(), error.what());
  }
  return 1;
}

}  // namespace
}  // namespace convscale::cuda

int main(int argc, char** argv) {
  const std::string_view name = argc == 2 ? argv[1] : "";
  int wrong = 0;
  for (const convscale::cuda::Program& program : convscale::cuda::programs()) {
    if (name == program.name) return convscale::cuda::run(name, program.faulty);
    if (name == "correct") wrong += convscale::cuda::run(program.name, program.correct);
  }
  return name == "correct" ? wrong : 2;
}
