// SPDX-License-Identifier: Apache-2.0
// Device code on the stand-in.
#include "cuda/launch.hpp"
#include "cuda/resources.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <cuda_pipeline.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace convscale::standin {
namespace {

using cuda::DeviceBuffer;
using cuda::dynamic_shared;
using ::testing::Each;
using ::testing::HasSubstr;

/// `count` values on the device, zeros at first.
template <class T>
class Values {
 public:
  explicit Values(int count)
      : count_(static_cast<std::size_t>(count)),
        buffer_(static_cast<std::int64_t>(count_ * sizeof(T))) {
    CONVSCALE_CUDA(cudaMemset(buffer_.data(), 0, count_ * sizeof(T)));
  }
  T* data() const { return reinterpret_cast<T*>(buffer_.data()); }
  std::vector<T> fetched() const {
    std::vector<T> values(count_);
    CONVSCALE_CUDA(cudaMemcpy(values.data(), data(), count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  std::size_t count_;
  DeviceBuffer buffer_;
};

std::vector<int> counted(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

__global__ void write_indices(int* d_out) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  d_out[i] += static_cast<int>(i);
}

TEST(GridTest, EveryThreadOfEveryBlockRunsOnce) {
  const Values<int> out(7 * 3 * 2 * 5 * 4 * 3);
  const auto kernel = &write_indices;
  CONVSCALE_LAUNCH(kernel, dim3(7, 3, 2), dim3(5, 4, 3), 0, nullptr, out.data());
  EXPECT_EQ(out.fetched(), counted(7 * 3 * 2 * 5 * 4 * 3));
}

__global__ void write_order(int* d_next, int* d_order) {
  d_order[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(d_next, 1);
}

std::vector<int> order_of(std::uint64_t seed) {
  reset({.seed = seed});
  const Values<int> next(1), order(4 * 64);
  const auto kernel = &write_order;
  CONVSCALE_LAUNCH(kernel, dim3(4), dim3(64), 0, nullptr, next.data(), order.data());
  return order.fetched();
}

TEST(GridTest, TheSeedDecidesTheOrder) {
  EXPECT_EQ(order_of(0), counted(4 * 64));
  EXPECT_NE(order_of(1), order_of(0));
  EXPECT_NE(order_of(1), order_of(2));
  EXPECT_EQ(order_of(1), order_of(1));
  const std::vector<int> order = order_of(3);
  EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), order.size());
}

/// Sums the block's numbers in a tree.
__global__ void sum_block(const int* d_in, int* d_sums) {
  int* numbers = reinterpret_cast<int*>(dynamic_shared());
  const unsigned i = threadIdx.x;
  numbers[i] = d_in[blockIdx.x * blockDim.x + i];
  for (unsigned step = blockDim.x / 2; step > 0; step /= 2) {
    __syncthreads();
    if (i < step) numbers[i] += numbers[i + step];
  }
  if (i == 0) d_sums[blockIdx.x] = numbers[0];
}

TEST(GridTest, BarriersOrderTheBlock) {
  for (const int n : {1, 32, 256, 1024}) {
    const Values<int> in(3 * n), sums(3);
    const auto threads = static_cast<unsigned>(n);
    const auto fill = &write_indices;
    CONVSCALE_LAUNCH(fill, dim3(3), dim3(threads), 0, nullptr, in.data());
    const auto kernel = &sum_block;
    CONVSCALE_LAUNCH(kernel, dim3(3), dim3(threads), threads * sizeof(int), nullptr, in.data(),
                     sums.data());
    EXPECT_THAT(sums.fetched(),
                ::testing::ElementsAre(n * (n - 1) / 2, n * (3 * n - 1) / 2, n * (5 * n - 1) / 2));
  }
}

__global__ void count_nan(int* d_count) {
  auto* numbers = reinterpret_cast<double*>(dynamic_shared());
  if (std::isnan(numbers[threadIdx.x])) atomicAdd(d_count, 1);
  numbers[threadIdx.x] = 0;
}

TEST(GridTest, DynamicSharedMemoryBeginsAsNaN) {
  const Values<int> count(1);
  const auto kernel = &count_nan;
  CONVSCALE_LAUNCH(kernel, dim3(5), dim3(96), 96 * sizeof(double), nullptr, count.data());
  EXPECT_THAT(count.fetched(), Each(5 * 96));
}

/// Eight results a lane.
__global__ void exchange(int* d_out) {
  const unsigned all = 0xFFFFFFFFu;
  const int lane = static_cast<int>(threadIdx.x);
  int* d_lane = d_out + std::ptrdiff_t{8} * lane;
  d_lane[0] = __shfl_sync(all, lane, 5);
  d_lane[1] = __shfl_sync(all, lane, 5, 8);
  d_lane[2] = __shfl_up_sync(all, lane, 3);
  d_lane[3] = __shfl_down_sync(all, lane, 3, 16);
  d_lane[4] = __shfl_xor_sync(all, lane, 6);
  d_lane[5] = static_cast<int>(__ballot_sync(all, lane % 3 == 0) >> lane & 1u);
  d_lane[6] = __any_sync(all, lane == 7) + 2 * __any_sync(all, lane == 32);
  d_lane[7] = __all_sync(all, lane < 32) + 2 * __all_sync(all, lane != 9);
}

TEST(GridTest, LanesExchangeValues) {
  const Values<int> out(32 * 8);
  const auto kernel = &exchange;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(32), 0, nullptr, out.data());
  const std::vector<int> got = out.fetched();
  for (int lane = 0; lane < 32; ++lane) {
    const auto first = got.begin() + std::ptrdiff_t{8} * lane;
    EXPECT_THAT(std::vector<int>(first, first + 8),
                ::testing::ElementsAre(5, lane / 8 * 8 + 5, lane < 3 ? lane : lane - 3,
                                       lane % 16 < 13 ? lane + 3 : lane, lane ^ 6,
                                       lane % 3 == 0 ? 1 : 0, 1, 1));
  }
}

__global__ void exchange_doubles(double* d_out) {
  const auto lane = static_cast<int>(threadIdx.x % 32);
  const double value = __shfl_xor_sync(0xFFFFFFFFu, 0.5 * lane, 1);
  const float single = __shfl_up_sync(0xFFFFFFFFu, 0.25f * static_cast<float>(lane), 1);
  d_out[threadIdx.x] = value + static_cast<double>(single);
}

TEST(GridTest, LanesExchangeFloatingPointInEveryWarp) {
  const Values<double> out(96);
  const auto kernel = &exchange_doubles;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(96), 0, nullptr, out.data());
  const std::vector<double> got = out.fetched();
  for (int i = 0; i < 96; ++i) {
    const int lane = i % 32, up = lane == 0 ? 0 : lane - 1;
    EXPECT_EQ(got[static_cast<std::size_t>(i)], 0.5 * (lane ^ 1) + 0.25 * up);
  }
}

/// The halves of a warp go different ways; lanes that return are not waited for.
__global__ void exchange_in_halves(int* d_out) {
  const int lane = static_cast<int>(threadIdx.x);
  if (lane >= 40) return;
  if (lane < 16) {
    for (int round = 0; round < 3; ++round) d_out[lane] += __shfl_sync(0x0000FFFFu, lane, round);
  } else if (lane < 32) {
    d_out[lane] = __shfl_sync(0xFFFF0000u, lane, 20);
  } else {
    d_out[lane] = static_cast<int>(__popc(__activemask())) + __shfl_sync(0xFFFFFFFFu, lane, 1);
  }
}

TEST(GridTest, PartsOfAWarpExchangeValues) {
  const Values<int> out(64);
  const auto kernel = &exchange_in_halves;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(48), 0, nullptr, out.data());
  const std::vector<int> got = out.fetched();
  EXPECT_EQ(got[3], 0 + 1 + 2);
  EXPECT_EQ(got[17], 20);
  EXPECT_GE(got[36], 8 + 33);  // how many have returned by then, nobody knows
  EXPECT_EQ(got[45], 0);
}

/// out: what is there right after the copies were asked for, after all but the last group, after
/// all.
__global__ void copy_later(const double* d_in, double* d_out) {
  auto* numbers = reinterpret_cast<double*>(dynamic_shared());
  const unsigned i = threadIdx.x, n = blockDim.x;
  numbers[i] = numbers[n + i] = -1;
  __pipeline_memcpy_async(numbers + i, d_in + i, sizeof(double));
  __pipeline_commit();
  __pipeline_memcpy_async(numbers + n + i, d_in + i, sizeof(double), sizeof(double));
  __pipeline_commit();
  d_out[i] = numbers[i];
  __pipeline_wait_prior(1);
  d_out[n + i] = numbers[i];
  d_out[2 * n + i] = numbers[n + i];
  __pipeline_wait_prior(0);
  d_out[3 * n + i] = numbers[n + i];
}

TEST(GridTest, AsynchronousCopiesAreMadeAtTheWait) {
  const std::vector<double> numbers{3, 1, 4, 1};
  const DeviceBuffer in(32);
  CONVSCALE_CUDA(cudaMemcpy(in.data(), numbers.data(), 32, cudaMemcpyHostToDevice));
  const Values<double> out(16);
  const auto kernel = &copy_later;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(4), 64, nullptr,
                   reinterpret_cast<const double*>(in.data()), out.data());
  EXPECT_THAT(out.fetched(),
              ::testing::ElementsAre(-1, -1, -1, -1, 3, 1, 4, 1, -1, -1, -1, -1, 0, 0, 0, 0));
}

__global__ void copy_misaligned(const double* d_in) {
  __pipeline_memcpy_async(dynamic_shared() + 8, d_in, 16);
}

TEST(GridTest, MisalignedAsynchronousCopiesAreFaults) {
  const Values<double> in(4);
  const auto kernel = &copy_misaligned;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(1), 64, nullptr, in.data());
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorMisalignedAddress);
  EXPECT_THAT(faults(), Each(HasSubstr("copy_misaligned, thread (0, 0, 0) at ")));
}

__global__ void sum_atomically(int* d_int, unsigned long long* d_long, float* d_float,
                               double* d_double) {
  atomicAdd(d_int, 1);
  atomicAdd(d_long, 1ull << 33);
  atomicAdd(d_float, 0.5f);
  atomicAdd(d_double, 0.25);
  atomicMax(d_int + 1, static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
}

TEST(GridTest, AtomicOperations) {
  const Values<int> ints(2);
  const Values<unsigned long long> longs(1);
  const Values<float> floats(1);
  const Values<double> doubles(1);
  const auto kernel = &sum_atomically;
  CONVSCALE_LAUNCH(kernel, dim3(3), dim3(40), 0, nullptr, ints.data(), longs.data(), floats.data(),
                   doubles.data());
  EXPECT_THAT(ints.fetched(), ::testing::ElementsAre(120, 119));
  EXPECT_THAT(longs.fetched(), Each(120ull << 33));
  EXPECT_THAT(floats.fetched(), Each(60.0f));
  EXPECT_THAT(doubles.fetched(), Each(30.0));
}

TEST(GridTest, VectorsAreAlignedAsOnADevice) {
  static_assert(alignof(double2) == 16 && sizeof(double2) == 16);
  static_assert(alignof(float2) == 8 && alignof(float4) == 16 && alignof(float3) == 4);
  static_assert(alignof(double4_32a) == 32 && alignof(uchar4) == 4 && alignof(longlong2) == 16);
  const double2 pair = make_double2(1, 2);
  EXPECT_EQ(__ldg(&pair).y, 2);
}

__global__ void trap_in_block(int block) {
  if (static_cast<int>(blockIdx.x) == block && threadIdx.x == 3) __trap();
  __syncthreads();
}

TEST(GridTest, AFaultNamesItsKernelAndLastsForever) {
  const auto kernel = &trap_in_block;
  CONVSCALE_LAUNCH(kernel, dim3(4), dim3(32), 0, nullptr, 2);
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaErrorLaunchFailure);
  EXPECT_THAT(faults(),
              Each(::testing::AllOf(HasSubstr("trap in kernel "), HasSubstr("trap_in_block at "))));
  EXPECT_EQ(cuda::launch(kernel, dim3(4), dim3(32), 0, nullptr, -1), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);

  reset();
  CONVSCALE_LAUNCH(kernel, dim3(4), dim3(32), 0, nullptr, -1);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(GridTest, LaunchesHaveADevicesLimits) {
  const auto launched = [](dim3 grid, dim3 block, std::size_t shared_bytes = 0) {
    const auto kernel = &trap_in_block;
    const cudaError_t error = cuda::launch(kernel, grid, block, shared_bytes, nullptr, -1);
    EXPECT_EQ(cudaGetLastError(), error);
    return error;
  };
  EXPECT_EQ(launched(dim3(1), dim3(1024)), cudaSuccess);
  EXPECT_EQ(launched(dim3(1), dim3(1025)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(32, 33)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(1, 1, 65)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(0)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(0), dim3(1)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1, 65535), dim3(1)), cudaSuccess);
  EXPECT_EQ(launched(dim3(1, 65536), dim3(1)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1, 1, 65536), dim3(1)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(0x80000000u), dim3(1)), cudaErrorInvalidConfiguration);

  EXPECT_EQ(launched(dim3(1), dim3(1), 48 << 10), cudaSuccess);
  EXPECT_EQ(launched(dim3(1), dim3(1), (48 << 10) + 1), cudaErrorInvalidValue);
  const auto allow = [](int bytes) {
    return cudaFuncSetAttribute(&trap_in_block, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  };
  EXPECT_EQ(allow(227 << 10), cudaSuccess);
  EXPECT_EQ(launched(dim3(1), dim3(1), 227 << 10), cudaSuccess);
  EXPECT_EQ(allow((227 << 10) + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(GridTest, LaunchesAreKept) {
  const Values<int> out(64);
  const auto kernel = &write_indices;
  CONVSCALE_LAUNCH(kernel, dim3(2), dim3(32), 16, nullptr, out.data());
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  const std::vector<Launch> kept = launches();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].kernel, "convscale::standin::(anonymous namespace)::write_indices");
  EXPECT_EQ(kept[0].grid.x, 2u);
  EXPECT_EQ(kept[0].block.x, 32u);
  EXPECT_EQ(kept[0].shared_bytes, 16u);
}

TEST(GridTest, QuestionsAboutKernelsAreCounted) {
  const Values<int> out(64);
  const auto kernel = &write_indices;
  CONVSCALE_LAUNCH(kernel, dim3(2), dim3(32), 0, nullptr, out.data());
  EXPECT_EQ(occupancy_queries(), 0);
  int blocks = 0;
  CONVSCALE_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, 32, 0));
  EXPECT_EQ(occupancy_queries(), 1);
  cudaFuncAttributes attributes{};
  CONVSCALE_CUDA(cudaFuncGetAttributes(&attributes, kernel));
  EXPECT_EQ(occupancy_queries(), 2);
  CONVSCALE_LAUNCH(kernel, dim3(2), dim3(32), 0, nullptr, out.data());
  EXPECT_EQ(occupancy_queries(), 2);
}

}  // namespace
}  // namespace convscale::standin
