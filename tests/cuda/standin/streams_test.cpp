// SPDX-License-Identifier: Apache-2.0
// Streams and events: what runs when, and in which order.
#include "tests/cuda/standin/runtime_test.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <set>
#include <string>
#include <thread>

namespace convscale::standin {
namespace {

using cuda::Event;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StreamsTest : public RuntimeTest {};

TEST_F(StreamsTest, OnlyWhatIsWaitedForRuns) {
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

TEST_F(StreamsTest, EventsOrderStreams) {
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

TEST_F(StreamsTest, AnEventThatWasNeverRecordedHoldsNobodyUp) {
  const Stream stream;
  const Event event;
  CONVSCALE_CUDA(cudaStreamWaitEvent(stream.get(), event.get(), 0));
  EXPECT_EQ(cudaEventQuery(event.get()), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(event.get()), cudaSuccess);
}

TEST_F(StreamsTest, QueriesComeToAnEnd) {
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

TEST_F(StreamsTest, TimeBetweenEvents) {
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

TEST_F(StreamsTest, TheDefaultStreamWaitsForBlockingStreamsOnly) {
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

TEST_F(StreamsTest, WorkOfADestroyedStreamStillRuns) {
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

TEST_F(StreamsTest, WorkMayRunEarly) {
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

TEST_F(StreamsTest, TheSeedDecidesHowStreamsInterleave) {
  EXPECT_EQ(interleaved(0), "aaaabbbb");
  EXPECT_EQ(interleaved(5), interleaved(5));
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed < 20; ++seed) orders.insert(interleaved(seed));
  EXPECT_GT(orders.size(), 5u);
}

TEST_F(StreamsTest, SomeWorkMayRunBeforeItIsWaitedFor) {
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

TEST_F(StreamsTest, HostFunctionsRunInTheirStream) {
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

TEST_F(StreamsTest, ThreadsOfTheHostShareAStream) {
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

}  // namespace
}  // namespace convscale::standin
