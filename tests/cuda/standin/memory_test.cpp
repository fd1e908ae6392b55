// SPDX-License-Identifier: Apache-2.0
// Memory of devices and of the host, and copies.
#include "tests/cuda/standin/runtime_test.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace convscale::standin {
namespace {

using cuda::Event;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MemoryTest : public RuntimeTest {};

std::vector<int> counted(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

TEST_F(MemoryTest, DeviceMemoryIsAlignedAndFullOfNaN) {
  const DeviceBuffer buffer(8);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0u);
  double value = 0;
  CONVSCALE_CUDA(cudaMemcpy(&value, buffer.data(), 8, cudaMemcpyDeviceToHost));
  EXPECT_TRUE(std::isnan(value));
}

TEST_F(MemoryTest, DevicesHaveAsMuchMemoryAsTheyAreGiven) {
  reset({.devices = 2, .memory_bytes = 1000});
  std::size_t free_bytes = 0, total = 0;
  {
    const DeviceBuffer buffer(600);
    EXPECT_EQ(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
    EXPECT_EQ(free_bytes, 400u);
    EXPECT_EQ(total, 1000u);
    void* more = &total;
    EXPECT_EQ(cudaMalloc(&more, 401), cudaErrorMemoryAllocation);
    EXPECT_EQ(more, nullptr);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    const DeviceBuffer other(900);
    EXPECT_EQ(live().device_bytes, 1500);
  }
  EXPECT_EQ(live(), Live{});
}

TEST_F(MemoryTest, RegistrationsDoNotOverlap) {
  std::vector<int> numbers(100);
  auto* begin = reinterpret_cast<std::byte*>(numbers.data());
  ASSERT_EQ(cudaHostRegister(begin, 200, cudaHostRegisterPortable), cudaSuccess);
  EXPECT_EQ(live().registrations, 1);
  EXPECT_EQ(cudaHostRegister(begin, 200, 0), cudaErrorHostMemoryAlreadyRegistered);
  EXPECT_EQ(cudaHostRegister(begin + 199, 10, 0), cudaErrorHostMemoryAlreadyRegistered);
  EXPECT_EQ(cudaHostRegister(begin + 200, 200, 0), cudaSuccess);
  EXPECT_EQ(cudaHostRegister(begin, 0, 0), cudaErrorInvalidValue);
  EXPECT_EQ(cudaHostUnregister(begin + 1), cudaErrorHostMemoryNotRegistered);
  EXPECT_EQ(cudaHostUnregister(begin), cudaSuccess);
  EXPECT_EQ(cudaHostUnregister(begin + 200), cudaSuccess);
  EXPECT_EQ(cudaHostUnregister(begin), cudaErrorHostMemoryNotRegistered);
}

TEST_F(MemoryTest, WhatExistsIsCounted) {
  int* pinned = nullptr;
  int* pinned_too = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 100), cudaSuccess);
  ASSERT_EQ(cudaHostAlloc(&pinned_too, 100, cudaHostAllocPortable), cudaSuccess);
  {
    const DeviceBuffer one(10), two(20);
    const Stream stream;
    const Event event;
    EXPECT_EQ(live(), (Live{.device_allocations = 2,
                            .device_bytes = 30,
                            .host_allocations = 2,
                            .registrations = 0,
                            .streams = 1,
                            .events = 1}));
  }
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned_too), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned), cudaErrorInvalidValue);
  EXPECT_EQ(live(), Live{});
}

// --- Copies ---

TEST_F(MemoryTest, CopiesOfRows) {
  const std::vector<int> numbers = counted(30);
  const DeviceBuffer target = on_device(std::vector<int>(28, -1));
  // Three columns from the second one on, of every second row.
  CONVSCALE_CUDA(cudaMemcpy2DAsync(target.data(), 7 * sizeof(int), numbers.data() + 1,
                                   10 * sizeof(int), 3 * sizeof(int), 3, cudaMemcpyHostToDevice,
                                   nullptr));
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  EXPECT_THAT(fetched(target), ElementsAre(1, 2, 3, -1, -1, -1, -1,     //
                                           11, 12, 13, -1, -1, -1, -1,  //
                                           21, 22, 23, -1, -1, -1, -1,  //
                                           -1, -1, -1, -1, -1, -1, -1));
  EXPECT_EQ(copied().up, (4 * 7 + 9) * 4);
  EXPECT_EQ(copied().down, 4 * 7 * 4);
}

TEST_F(MemoryTest, CopiesOfSlices) {
  // The last two rows and columns of each of three 4 x 3 slices.
  const DeviceBuffer source = on_device(counted(3 * 4 * 3));
  std::vector<int> numbers(12, -1);
  cudaMemcpy3DParms parameters{};
  parameters.srcPtr = make_cudaPitchedPtr(source.data(), 3 * sizeof(int), 3 * sizeof(int), 4);
  parameters.srcPos = make_cudaPos(sizeof(int), 2, 0);
  parameters.dstPtr = make_cudaPitchedPtr(numbers.data(), 2 * sizeof(int), 2 * sizeof(int), 2);
  parameters.extent = make_cudaExtent(2 * sizeof(int), 2, 3);
  parameters.kind = cudaMemcpyDeviceToHost;
  CONVSCALE_CUDA(cudaMemcpy3DAsync(&parameters, nullptr));
  EXPECT_EQ(copied().down, 0);
  CONVSCALE_CUDA(cudaStreamSynchronize(nullptr));
  EXPECT_THAT(numbers, ElementsAre(7, 8, 10, 11, 19, 20, 22, 23, 31, 32, 34, 35));
  EXPECT_EQ(copied().down, 48);
}

TEST_F(MemoryTest, CopiesStayInsideOfTheirAllocations) {
  std::vector<int> numbers(8);
  const DeviceBuffer buffer(16);
  const Stream stream;
  const auto up = [&](std::size_t pitch, std::size_t height) {
    return cudaMemcpy2DAsync(buffer.data(), pitch, numbers.data(), 8, 4, height,
                             cudaMemcpyHostToDevice, stream.get());
  };
  EXPECT_EQ(up(4, 4), cudaSuccess);
  EXPECT_EQ(up(6, 3), cudaSuccess);
  EXPECT_EQ(up(7, 3), cudaErrorInvalidValue);
  EXPECT_EQ(up(3, 3), cudaErrorInvalidPitchValue);
  EXPECT_EQ(copy(buffer.data(), numbers.data(), 17, cudaMemcpyHostToDevice, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(buffer.data() + 1, 0, 16), cudaErrorInvalidValue);
  EXPECT_THAT(faults(), ElementsAre(HasSubstr("cudaMemcpy2DAsync: 18 bytes from the target"),
                                    HasSubstr("cudaMemcpyAsync: 17 bytes from the target"),
                                    HasSubstr("cudaMemset: 16 bytes from the target")));
  stream.synchronize();
}

/// Copies that take no stream: of four numbers, of rows of two, of slices of one.
const std::vector<cudaError_t (*)(void*, const void*, cudaMemcpyKind)> kCopies = {
    [](void* target, const void* source, cudaMemcpyKind kind) {
      return cudaMemcpy(target, source, 16, kind);
    },
    [](void* target, const void* source, cudaMemcpyKind kind) {
      return cudaMemcpy2D(target, 8, source, 8, 8, 2, kind);
    },
    [](void* target, const void* source, cudaMemcpyKind kind) {
      cudaMemcpy3DParms parameters{};
      parameters.srcPtr = make_cudaPitchedPtr(const_cast<void*>(source), 4, 4, 2);
      parameters.dstPtr = make_cudaPitchedPtr(target, 4, 4, 2);
      parameters.extent = make_cudaExtent(4, 2, 2);
      parameters.kind = kind;
      return cudaMemcpy3D(&parameters);
    }};

TEST_F(MemoryTest, UploadsOfPageableMemoryMayBeUnderWayWhenTheyReturn) {
  for (const auto& copy_now : kCopies) {
    for (const cudaMemcpyKind kind : {cudaMemcpyHostToDevice, cudaMemcpyDefault}) {
      reset();
      std::vector<int> numbers = {1, 2, 3, 4};
      const DeviceBuffer target = on_device({-1, -1, -1, -1}), other = on_device({3});
      const Stream stream;
      const std::int64_t before = copied().up;
      CONVSCALE_CUDA(copy_now(target.data(), numbers.data(), kind));
      numbers.assign(4, 0);  // has been read
      queue_multiply(other, 2, stream.get());
      stream.synchronize();
      EXPECT_EQ(copied().up, before);
      CONVSCALE_CUDA(cudaStreamSynchronize(nullptr));
      EXPECT_EQ(copied().up, before + 16);
      EXPECT_THAT(fetched(target), ElementsAre(1, 2, 3, 4));
    }
  }
}

TEST_F(MemoryTest, WhatTheDefaultStreamIsInOrderWithSeesSuchUploads) {
  const std::vector<int> numbers = {7};
  const DeviceBuffer target = on_device({-1});
  const Stream stream;
  const Event arrived;
  cudaStream_t blocking = nullptr;
  CONVSCALE_CUDA(cudaStreamCreate(&blocking));
  const auto upload = [&] {
    CONVSCALE_CUDA(cudaMemcpy(target.data(), numbers.data(), 4, cudaMemcpyHostToDevice));
  };
  upload();
  queue_multiply(target, 2, blocking);
  CONVSCALE_CUDA(cudaStreamSynchronize(blocking));
  EXPECT_THAT(fetched(target), ElementsAre(14));
  upload();
  CONVSCALE_CUDA(cudaEventRecord(arrived.get(), nullptr));
  CONVSCALE_CUDA(cudaStreamWaitEvent(stream.get(), arrived.get(), 0));
  queue_multiply(target, 3, stream.get());
  stream.synchronize();
  EXPECT_THAT(fetched(target), ElementsAre(21));
  upload();
  EXPECT_THAT(fetched(target), ElementsAre(7));
  CONVSCALE_CUDA(cudaStreamDestroy(blocking));
}

TEST_F(MemoryTest, UploadsOfPageLockedMemoryAreDoneWhenTheyReturn) {
  for (const auto& copy_now : kCopies) {
    reset();
    std::vector<int> numbers = {1, 2, 3, 4};
    int* allocated = nullptr;
    CONVSCALE_CUDA(cudaMallocHost(&allocated, 16));
    std::copy(numbers.begin(), numbers.end(), allocated);
    CONVSCALE_CUDA(cudaHostRegister(numbers.data(), 16, cudaHostRegisterPortable));
    const DeviceBuffer target = on_device({-1, -1, -1, -1});
    const std::int64_t before = copied().up;
    CONVSCALE_CUDA(copy_now(target.data(), allocated, cudaMemcpyHostToDevice));
    EXPECT_EQ(copied().up, before + 16);
    CONVSCALE_CUDA(copy_now(target.data(), numbers.data(), cudaMemcpyHostToDevice));
    EXPECT_EQ(copied().up, before + 32);
    CONVSCALE_CUDA(cudaHostUnregister(numbers.data()));
    CONVSCALE_CUDA(cudaHostRegister(numbers.data(), 15, cudaHostRegisterPortable));
    CONVSCALE_CUDA(copy_now(target.data(), numbers.data(), cudaMemcpyHostToDevice));
    EXPECT_EQ(copied().up, before + 32) << "the last byte is pageable";
    CONVSCALE_CUDA(cudaHostUnregister(numbers.data()));
    CONVSCALE_CUDA(cudaFreeHost(allocated));
  }
}

TEST_F(MemoryTest, CopiesWithinADeviceMayBeUnderWayToo) {
  for (const auto& copy_now : kCopies) {
    reset();
    const DeviceBuffer source = on_device({1, 2, 3, 4}), target = on_device({-1, -1, -1, -1});
    CONVSCALE_CUDA(copy_now(target.data(), source.data(), cudaMemcpyDeviceToDevice));
    EXPECT_EQ(copied().across, 0);
    EXPECT_THAT(fetched(target), ElementsAre(1, 2, 3, 4));
    EXPECT_EQ(copied().across, 16);
  }
}

TEST_F(MemoryTest, CopiesGoWhereTheySay) {
  std::vector<int> numbers(4), others(4);
  const Stream stream;
  const DeviceBuffer buffer(16);
  EXPECT_EQ(copy(buffer.data(), numbers.data(), 16, cudaMemcpyDeviceToHost, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(copy(numbers.data(), others.data(), 16, cudaMemcpyHostToDevice, stream),
            cudaErrorInvalidValue);
  EXPECT_EQ(copy(buffer.data(), numbers.data(), 16, cudaMemcpyHostToHost, stream),
            cudaErrorInvalidValue);
  EXPECT_THAT(faults(), ElementsAre(HasSubstr("the source"), HasSubstr("is not device memory"),
                                    HasSubstr("is device memory, not the host's")));
  EXPECT_EQ(copy(buffer.data(), numbers.data(), 16, cudaMemcpyDefault, stream), cudaSuccess);
  EXPECT_EQ(copy(buffer.data() + 8, buffer.data(), 8, cudaMemcpyDeviceToDevice, stream),
            cudaSuccess);
  stream.synchronize();
  EXPECT_EQ(copied(), (Copied{.up = 16, .down = 0, .across = 8}));
}

}  // namespace
}  // namespace convscale::standin
