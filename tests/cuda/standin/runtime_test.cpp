// SPDX-License-Identifier: Apache-2.0
// The host's side of the stand-in.
#include "cuda/launch.hpp"
#include "cuda/resources.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace convscale::standin {
namespace {

using cuda::DeviceBuffer;
using cuda::Event;
using cuda::Stream;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Nothing runs before somebody waits for it, whatever the environment says.
class RuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override { reset(); }
};

std::vector<int> counted(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::size_t bytes_of(const std::vector<int>& numbers) { return numbers.size() * sizeof(int); }

DeviceBuffer on_device(const std::vector<int>& numbers) {
  DeviceBuffer buffer(static_cast<std::int64_t>(bytes_of(numbers)));
  CONVSCALE_CUDA(
      cudaMemcpy(buffer.data(), numbers.data(), bytes_of(numbers), cudaMemcpyHostToDevice));
  return buffer;
}

std::vector<int> fetched(const DeviceBuffer& buffer) {
  std::vector<int> numbers(static_cast<std::size_t>(buffer.bytes()) / sizeof(int));
  CONVSCALE_CUDA(
      cudaMemcpy(numbers.data(), buffer.data(), bytes_of(numbers), cudaMemcpyDeviceToHost));
  return numbers;
}

cudaError_t copy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                 const Stream& stream) {
  return cudaMemcpyAsync(target, source, bytes, kind, stream.get());
}

__global__ void multiply(int* d_number, int factor) { *d_number *= factor; }

void queue_multiply(const DeviceBuffer& number, int factor, cudaStream_t stream) {
  const auto kernel = &multiply;
  CONVSCALE_LAUNCH(kernel, dim3(1), dim3(1), 0, stream, reinterpret_cast<int*>(number.data()),
                   factor);
}

// --- Memory ---

TEST_F(RuntimeTest, DeviceMemoryIsAlignedAndFullOfNaN) {
  const DeviceBuffer buffer(8);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0u);
  double value = 0;
  CONVSCALE_CUDA(cudaMemcpy(&value, buffer.data(), 8, cudaMemcpyDeviceToHost));
  EXPECT_TRUE(std::isnan(value));
}

TEST_F(RuntimeTest, DevicesHaveAsMuchMemoryAsTheyAreGiven) {
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

TEST_F(RuntimeTest, RegistrationsDoNotOverlap) {
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

TEST_F(RuntimeTest, WhatExistsIsCounted) {
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

TEST_F(RuntimeTest, CopiesOfRows) {
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

TEST_F(RuntimeTest, CopiesOfSlices) {
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

TEST_F(RuntimeTest, CopiesStayInsideOfTheirAllocations) {
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

TEST_F(RuntimeTest, CopiesGoWhereTheySay) {
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

// --- Streams and events ---

TEST_F(RuntimeTest, OnlyWhatIsWaitedForRuns) {
  const DeviceBuffer one = on_device({3}), two = on_device({5});
  const Stream first, second;
  int got_one = 0, got_two = 0;
  queue_multiply(one, 2, first.get());
  CONVSCALE_CUDA(copy(&got_one, one.data(), 4, cudaMemcpyDeviceToHost, first));
  queue_multiply(two, 2, second.get());
  CONVSCALE_CUDA(copy(&got_two, two.data(), 4, cudaMemcpyDeviceToHost, second));
  EXPECT_EQ(copied().down, 0);
  first.synchronize();
  EXPECT_EQ(got_one, 6);
  EXPECT_EQ(copied().down, 4);
  EXPECT_EQ(launches().size(), 1u);
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  EXPECT_EQ(got_two, 10);
}

TEST_F(RuntimeTest, EventsOrderStreams) {
  for (const std::uint64_t seed : {0u, 1u, 2u, 3u, 4u}) {
    reset({.seed = seed});
    const DeviceBuffer number = on_device({1}), other = on_device({1}), another = on_device({1});
    const Stream first, second, third;
    const Event made, changed;
    queue_multiply(number, 3, first.get());
    made.record(first);
    queue_multiply(other, 1, first.get());
    CONVSCALE_CUDA(cudaStreamWaitEvent(second.get(), made.get(), 0));
    queue_multiply(number, 5, second.get());
    changed.record(second);
    queue_multiply(another, 2, third.get());
    made.record(third);  // whoever waited before waits for the one before
    changed.synchronize();
    // Not what the first stream has after its event, and not the third stream.
    EXPECT_EQ(launches().size(), 2u);
    EXPECT_THAT(fetched(number), ElementsAre(15));
    CONVSCALE_CUDA(cudaDeviceSynchronize());
    EXPECT_EQ(launches().size(), 4u);
  }
}

TEST_F(RuntimeTest, AnEventThatWasNeverRecordedHoldsNobodyUp) {
  const Stream stream;
  const Event event;
  CONVSCALE_CUDA(cudaStreamWaitEvent(stream.get(), event.get(), 0));
  EXPECT_EQ(cudaEventQuery(event.get()), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(event.get()), cudaSuccess);
}

TEST_F(RuntimeTest, QueriesComeToAnEnd) {
  const DeviceBuffer number = on_device({3});
  const Stream stream;
  const Event event;
  queue_multiply(number, 2, stream.get());
  queue_multiply(number, 2, stream.get());
  event.record(stream);
  int queries = 0;
  while (cudaEventQuery(event.get()) == cudaErrorNotReady) ++queries;
  EXPECT_EQ(queries, 3);
  EXPECT_EQ(cudaStreamQuery(stream.get()), cudaSuccess);
  EXPECT_THAT(fetched(number), ElementsAre(12));
}

TEST_F(RuntimeTest, TimeBetweenEvents) {
  const DeviceBuffer number = on_device({3});
  const Stream stream;
  const Event begin, end, never;
  begin.record(stream);
  queue_multiply(number, 2, stream.get());
  end.record(stream);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), cudaErrorNotReady);
  end.synchronize();
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), cudaSuccess);
  EXPECT_GT(milliseconds, 0);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin.get(), never.get()),
            cudaErrorInvalidResourceHandle);
  cudaEvent_t untimed = nullptr;
  CONVSCALE_CUDA(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
  CONVSCALE_CUDA(cudaEventRecord(untimed, stream.get()));
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin.get(), untimed),
            cudaErrorInvalidResourceHandle);
  CONVSCALE_CUDA(cudaEventDestroy(untimed));
}

TEST_F(RuntimeTest, TheDefaultStreamWaitsForBlockingStreamsOnly) {
  const DeviceBuffer number = on_device({3}), other = on_device({3});
  cudaStream_t blocking = nullptr;
  CONVSCALE_CUDA(cudaStreamCreate(&blocking));
  const Stream free;
  queue_multiply(number, 2, blocking);
  queue_multiply(other, 5, free.get());
  EXPECT_THAT(fetched(number), ElementsAre(6));
  EXPECT_EQ(launches().size(), 1u);
  CONVSCALE_CUDA(cudaMemset(number.data(), 0, 4));
  queue_multiply(number, 2, blocking);
  CONVSCALE_CUDA(cudaStreamSynchronize(blocking));
  EXPECT_THAT(fetched(number), ElementsAre(0));
  CONVSCALE_CUDA(cudaStreamDestroy(blocking));
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaErrorInvalidResourceHandle);
}

TEST_F(RuntimeTest, WorkOfADestroyedStreamStillRuns) {
  const DeviceBuffer number = on_device({3});
  {
    const Stream stream;
    queue_multiply(number, 2, stream.get());
  }
  EXPECT_EQ(live().streams, 0);
  EXPECT_THAT(launches(), IsEmpty());
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  EXPECT_THAT(fetched(number), ElementsAre(6));
}

TEST_F(RuntimeTest, WorkMayRunEarly) {
  reset({.progress = Progress::kEarly});
  const DeviceBuffer number = on_device({3});
  const Stream stream;
  queue_multiply(number, 2, stream.get());
  EXPECT_EQ(launches().size(), 1u);
}

/// The order in which two streams are found to have run, four launches each.
std::string interleaved(std::uint64_t seed) {
  reset({.seed = seed});
  const DeviceBuffer one = on_device({1}), two = on_device({1});
  const Stream first, second;
  const auto kernel = &multiply;
  for (int i = 0; i < 4; ++i) {
    queue_multiply(one, 2, first.get());
    CONVSCALE_LAUNCH(kernel, dim3(2), dim3(1), 0, second.get(), reinterpret_cast<int*>(two.data()),
                     1);
  }
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  EXPECT_THAT(fetched(one), ElementsAre(16));
  std::string order;
  for (const Launch& launch : launches()) order += launch.grid.x == 1 ? 'a' : 'b';
  return order;
}

TEST_F(RuntimeTest, TheSeedDecidesHowStreamsInterleave) {
  EXPECT_EQ(interleaved(0), "aaaabbbb");
  EXPECT_EQ(interleaved(5), interleaved(5));
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed < 20; ++seed) orders.insert(interleaved(seed));
  EXPECT_GT(orders.size(), 5u);
}

TEST_F(RuntimeTest, SomeWorkMayRunBeforeItIsWaitedFor) {
  std::set<std::size_t> launched;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    reset({.seed = seed, .progress = Progress::kAny});
    const DeviceBuffer number = on_device({1});
    const Stream stream;
    for (int i = 0; i < 4; ++i) queue_multiply(number, 2, stream.get());
    launched.insert(launches().size());
    stream.synchronize();
    EXPECT_THAT(fetched(number), ElementsAre(16));
  }
  EXPECT_GT(launched.size(), 2u);
}

TEST_F(RuntimeTest, HostFunctionsRunInTheirStream) {
  const DeviceBuffer number = on_device({3});
  const Stream stream;
  int got = 0, twice = 0;
  struct Data {
    int* from;
    int* to;
  } data{&got, &twice};
  queue_multiply(number, 2, stream.get());
  CONVSCALE_CUDA(copy(&got, number.data(), 4, cudaMemcpyDeviceToHost, stream));
  CONVSCALE_CUDA(cudaLaunchHostFunc(
      stream.get(),
      [](void* user_data) {
        const auto* d = static_cast<const Data*>(user_data);
        *d->to = 2 * *d->from;
      },
      &data));
  stream.synchronize();
  EXPECT_EQ(twice, 12);
}

TEST_F(RuntimeTest, ThreadsOfTheHostShareAStream) {
  const DeviceBuffer number = on_device({3});
  const Stream stream;
  const Event event;
  queue_multiply(number, 2, stream.get());
  event.record(stream);
  std::thread other([&] {
    event.synchronize();
    queue_multiply(number, 7, stream.get());
    stream.synchronize();
  });
  other.join();
  EXPECT_THAT(fetched(number), ElementsAre(42));
}

// --- Devices ---

TEST_F(RuntimeTest, DriversThatAreNotThere) {
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

TEST_F(RuntimeTest, DevicesAreChosenByThreads) {
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

TEST_F(RuntimeTest, CallsFailWhenAsked) {
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

TEST_F(RuntimeTest, WorkFailsLaterWhenAsked) {
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
