// SPDX-License-Identifier: Apache-2.0
// Devices and drivers that are there or not, and failures that are asked for.
#include "tests/cuda/standin/runtime_test.hpp"

#include <gmock/gmock.h>

#include <exception>
#include <thread>

namespace convscale::standin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DevicesTest : public RuntimeTest {};

TEST_F(DevicesTest, DriversThatAreNotThere) {
  int count = -7, version = -7;
  reset({.driver = Driver::kMissing});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(count, -7);
  EXPECT_EQ(cudaDriverGetVersion(&version), cudaSuccess);
  EXPECT_EQ(version, 0);
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, 8), cudaErrorInsufficientDriver);

  reset({.driver = Driver::kTooOld});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaDriverGetVersion(&version), cudaSuccess);
  EXPECT_GT(version, 0);
  EXPECT_LT(version, CUDART_VERSION);

  reset({.devices = 0});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(cudaSetDevice(0), cudaErrorNoDevice);
  EXPECT_STREQ(cudaGetErrorName(cudaGetLastError()), "cudaErrorNoDevice");
}

TEST_F(DevicesTest, DevicesAreChosenByThreads) {
  reset({.devices = 2, .compute_capability_major = 8, .compute_capability_minor = 6});
  int count = 0, device = -1, major = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  std::thread([&] { EXPECT_EQ(cudaGetDevice(&device), cudaSuccess); }).join();
  EXPECT_EQ(device, 0);
  EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
  EXPECT_EQ(device, 1);
  EXPECT_EQ(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 1), cudaSuccess);
  EXPECT_EQ(major, 8);
  cudaDeviceProp properties{};
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 1), cudaSuccess);
  EXPECT_EQ(properties.minor, 6);
  char id[16];
  EXPECT_EQ(cudaDeviceGetPCIBusId(id, sizeof id, 1), cudaSuccess);
  EXPECT_STREQ(id, "FFFF:02:00.0");

  // A launch wants a stream of the current device.
  const DeviceBuffer number = on_device({3});
  const Stream stream;
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  const auto kernel = &multiply;
  EXPECT_EQ(cuda::launch(kernel, dim3(1), dim3(1), 0, stream.get(),
                         reinterpret_cast<int*>(number.data()), 2),
            cudaErrorInvalidResourceHandle);
}

// --- Failures that are asked for ---

TEST_F(DevicesTest, CallsFailWhenAsked) {
  fail("cudaMalloc", cudaErrorMemoryAllocation, 2);
  void* first = nullptr;
  void* second = nullptr;
  EXPECT_EQ(cudaMalloc(&first, 8), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&second, 8), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&second, 8), cudaSuccess);
  EXPECT_EQ(calls("cudaMalloc"), 3);
  fail("cudaFree", cudaErrorUnknown);
  EXPECT_EQ(cudaFree(first), cudaErrorUnknown);
  EXPECT_EQ(cudaFree(second), cudaSuccess);
  EXPECT_EQ(live(), Live{});

  fail("cudaLaunchKernelEx", cudaErrorLaunchOutOfResources);
  const DeviceBuffer number = on_device({3});
  EXPECT_THROW(queue_multiply(number, 2, nullptr), std::exception);
  EXPECT_THAT(fetched(number), ElementsAre(3));
}

TEST_F(DevicesTest, WorkFailsLaterWhenAsked) {
  const DeviceBuffer number = on_device({3});
  const Stream stream, other;
  fail_later("cudaLaunchKernelEx", cudaErrorECCUncorrectable);
  int got = 0;
  queue_multiply(number, 2, stream.get());
  CONVSCALE_CUDA(copy(&got, number.data(), 4, cudaMemcpyDeviceToHost, stream));
  other.synchronize();
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorECCUncorrectable);
  EXPECT_EQ(got, 0);
  EXPECT_EQ(cudaStreamSynchronize(other.get()), cudaErrorECCUncorrectable);
  EXPECT_THAT(launches(), IsEmpty());
}

}  // namespace
}  // namespace convscale::standin
