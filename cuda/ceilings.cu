// SPDX-License-Identifier: Apache-2.0
#include "cuda/ceilings.hpp"
#include "cuda/fma_chains.hpp"
#include "cuda/geometry.hpp"
#include "cuda/launch.hpp"

#include <algorithm>

namespace convscale::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLoads = 8;  ///< of 16 bytes, that a thread has under way
/// Of a multiprocessor, at least. nvcc 13 for sm_90, left alone, saves registers and issues the
/// loads as four and four; so it takes 48 registers and issues eight one behind the other, and the
/// five blocks that fit have 160 KiB a multiprocessor under way.
constexpr int kReadBlocks = 4;

/// Block b reads every gridDim-th piece of kThreads * kLoads vectors from piece b on, and then what
/// is left behind the last whole piece. Nothing of a whole piece depends on an index, so that nvcc
/// issues its loads back to back.
__global__ void __launch_bounds__(kThreads, kReadBlocks)
    read_all(const uint4* d_data, std::int64_t count, int passes, std::uint64_t* d_sink) {
  constexpr std::int64_t kPiece = std::int64_t{kThreads} * kLoads;
  const std::int64_t whole = count / kPiece * kPiece;
  unsigned sum = 0;
  for (int pass = 0; pass < passes; ++pass) {
    for (std::int64_t begin = blockIdx.x * kPiece; begin < whole; begin += gridDim.x * kPiece) {
      const uint4* d_piece = d_data + begin + threadIdx.x;
      uint4 values[kLoads];
#pragma unroll
      for (int i = 0; i < kLoads; ++i) values[i] = __ldg(d_piece + i * kThreads);
#pragma unroll
      for (const uint4& v : values) sum += v.x ^ v.y ^ v.z ^ v.w;
    }
    for (std::int64_t index = whole + std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
         index < count; index += std::int64_t{gridDim.x} * kThreads) {
      const uint4 v = __ldg(d_data + index);
      sum += v.x ^ v.y ^ v.z ^ v.w;
    }
  }
  // Never true for all that a program can know; without it the loads would be for nothing.
  if (sum == 0x5C0DEAD0u && passes < 0) *d_sink = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads) fma_all(T factor, T* d_sink) {
  const T total = fma_chains(static_cast<T>(threadIdx.x) * T(0x1p-20), factor);
  if (total < T(0)) *d_sink = total;  // it converges to a positive number
}

template <class T>
std::int64_t queue_fmas_as(T* d_sink, const DeviceLimits& device, cudaStream_t stream) {
  const int blocks = device.multiprocessors * device.threads_per_multiprocessor / kThreads;
  const auto fma_kernel = &fma_all<T>;
  CONVSCALE_LAUNCH(fma_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, stream,
                   T(0.5), d_sink);
  return std::int64_t{2} * blocks * kThreads * kFmaRounds * kFmaChains;
}

}  // namespace

bool has_code_for_current_device() {
  cudaFuncAttributes attributes{};
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&read_all));
  if (error == cudaSuccess) return true;
  ignore(cudaGetLastError());
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction ||
      error == cudaErrorUnsupportedPtxVersion)
    return false;
  CONVSCALE_CUDA(error);
  return false;
}

void queue_reads(const std::byte* d_data, std::int64_t bytes, int passes, std::byte* d_sink,
                 const DeviceLimits& device, cudaStream_t stream) {
  const std::int64_t count = bytes / static_cast<std::int64_t>(sizeof(uint4));
  const std::int64_t pieces = divided_up(count, std::int64_t{kThreads} * kLoads);
  std::int64_t at_once = device.multiprocessors;
  if (pieces > at_once) {  // to ask takes as long as a small kernel
    int blocks_at_once = 0;
    CONVSCALE_CUDA(
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks_at_once, &read_all, kThreads, 0));
    at_once *= std::max(1, blocks_at_once);
  }
  const auto blocks = static_cast<unsigned>(std::clamp<std::int64_t>(pieces, 1, at_once));
  CONVSCALE_LAUNCH(&read_all, dim3(blocks), dim3(kThreads), 0, stream,
                   reinterpret_cast<const uint4*>(d_data), count, passes,
                   reinterpret_cast<std::uint64_t*>(d_sink));
}

std::int64_t queue_fmas(Dtype dtype, std::byte* d_sink, const DeviceLimits& device,
                        cudaStream_t stream) {
  return dispatch(dtype, [&]<class T>() {
    return queue_fmas_as(reinterpret_cast<T*>(d_sink), device, stream);
  });
}

}  // namespace convscale::cuda
