// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/launch.hpp"
#include "cuda/resources.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

/// For tests of the host's side of the stand-in.
namespace convscale::standin {

using cuda::DeviceBuffer;
using cuda::Stream;

/// Nothing runs before somebody waits for it, whatever the environment says.
class RuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override { reset(); }
};

inline std::size_t bytes_of(const std::vector<int>& numbers) {
  return numbers.size() * sizeof(int);
}

inline DeviceBuffer on_device(const std::vector<int>& numbers) {
  DeviceBuffer buffer(static_cast<std::int64_t>(bytes_of(numbers)));
  CONVSCALE_CUDA(
      cudaMemcpy(buffer.data(), numbers.data(), bytes_of(numbers), cudaMemcpyHostToDevice));
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  return buffer;
}

inline std::vector<int> fetched(const DeviceBuffer& buffer) {
  std::vector<int> numbers(static_cast<std::size_t>(buffer.bytes()) / sizeof(int));
  CONVSCALE_CUDA(
      cudaMemcpy(numbers.data(), buffer.data(), bytes_of(numbers), cudaMemcpyDeviceToHost));
  return numbers;
}

inline cudaError_t copy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                        const Stream& stream) {
  return cudaMemcpyAsync(target, source, bytes, kind, stream.get());
}

inline __global__ void multiply(int* d_number, int factor) { *d_number *= factor; }

inline void queue_multiply(const DeviceBuffer& number, int factor, cudaStream_t stream) {
  const auto kernel = &multiply;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(1), 0, stream, reinterpret_cast<int*>(number.data()),
                   factor);
}

}  // namespace convscale::standin
