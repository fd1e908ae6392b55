// SPDX-License-Identifier: Apache-2.0
// What is timed, and what lies outside of it, by the stand-in's modelled times and its counts.
#include "cuda/driven.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace convscale::cuda {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

class StandinTimes : public ::testing::Test {
 protected:
  void SetUp() override { standin::reset(options_); }

  void cost(std::map<std::string, double> costs_ms) {
    options_.costs_ms = std::move(costs_ms);
    standin::reset(options_);
  }
  standin::Options options_{.memory_bytes = std::size_t{1} << 28, .l2_bytes = 1 << 20};
};

/// The time of one more batch, with nothing of events, of the gate, or of a first launch.
TEST_F(StandinTimes, KernelsAreTimedAsTheSlopeOverBatches) {
  constexpr double kLaunchMs = 0.125;  // exact in a float
  for (const Method method : {Method::kStrided, Method::kFull}) {
    for (const int workers : {1, 3}) {
      cost({{"cudaLaunchKernelEx", kLaunchMs},
            {"cudaEventRecord", 0.25},
            {"cudaStreamWaitEvent", 0.5}});
      Config config = small(Scope::kResident, method);
      config.num_workers = workers;
      Driven<double> driven(config);
      driven.poison();
      driven.run(driven.all());
      const Trace trace = driven.inspect();
      EXPECT_DOUBLE_EQ(trace.phases.value().kernel_s, 1e-3 * kLaunchMs);
      EXPECT_THAT(trace.busy_s, Each(1e-3 * kLaunchMs)) << "of this iteration, the first";
      EXPECT_EQ(trace.busy_s.size(), static_cast<std::size_t>(workers));
    }
  }
}

std::int64_t kernels_of(const std::vector<standin::Launch>& launches) {
  return std::count_if(launches.begin(), launches.end(), [](const standin::Launch& launch) {
    return launch.kernel.find("strided") != std::string::npos;
  });
}

/// Many of short kernels, and of long ones no more than it takes.
TEST_F(StandinTimes, BatchesAreAsManyAsTheirLengthAsksFor) {
  const auto launches_of = [&](double launch_ms) {
    cost({{"cudaLaunchKernelEx", launch_ms}});
    Config config = small(Scope::kResident);
    config.num_workers = 1;
    Driven<double> driven(config);
    driven.iterate();
    const std::int64_t before = kernels_of(standin::launches());
    driven.phases();
    return kernels_of(standin::launches()) - before;
  };
  EXPECT_EQ(launches_of(1e-3), 2 + 32) << "two, and as many as there may be";
  EXPECT_EQ(launches_of(0.25), 2 + 2 + 8) << "2 ms";
  EXPECT_EQ(launches_of(1), 2 + 2 + 2);
  EXPECT_EQ(launches_of(2), 2) << "of which a launch is little";
}

/// Every batch has data of its own, or as many as several caches hold.
TEST_F(StandinTimes, BatchesDoNotFindTheirDataInTheCache) {
  cost({{"cudaLaunchKernelEx", 1e-3}});
  const Config config = small(Scope::kResident);
  const std::int64_t results = config.shape.images * config.shape.outputs() * 8;
  Driven<double> driven(config);
  driven.poison();
  driven.run(driven.all());
  const auto unwritten = [&] {  // results that nobody wrote: device memory begins as NaN
    int count = 0;
    for (const auto& memory : standin::device_memory()) {
      count +=
          std::ssize(memory) == results &&
          std::all_of(memory.begin(), memory.end(), [&](std::byte b) { return b == memory[0]; });
    }
    return count;
  };
  EXPECT_EQ(unwritten(), 31) << "32 batches at once are the most";
  const Digest digest = driven.digest();
  driven.phases();
  EXPECT_EQ(unwritten(), 0);
  EXPECT_EQ(driven.digest(), digest);
  expect_right_results(driven);
}

/// They are worth having, but nothing that a run is refused for.
TEST_F(StandinTimes, WithLittleMemoryThereAreFewerCopies) {
  options_.l2_bytes = 50 << 20;
  options_.memory_bytes = 24 << 20;
  cost({});
  Config config = small(Scope::kResident);
  config.shape = {9, 400, 400, 4, 5};  // 11.5 MB, and caches' worth are 18 times that
  Driven<double> driven(config);
  EXPECT_EQ(driven.iterate().unwritten, 0);
  EXPECT_GT(driven.phases().kernel_s, 0);
}

TEST_F(StandinTimes, TheTimedPartQueuesKernelsAndWhatIsWaitedFor) {
  for (const Method method : {Method::kStrided, Method::kFull}) {
    for (const char* kernel : {"auto", "direct", "tiled"}) {
      Config config = small(Scope::kResident, method);
      config.kernel = kernel;
      standin::reset(options_);
      Driven<double> driven(config);
      driven.poison();
      std::map<std::string, std::int64_t> before;
      const std::vector<std::string> calls = {"cudaEventRecord",
                                              "cudaMemcpyAsync",
                                              "cudaMemsetAsync",
                                              "cudaOccupancyMaxActiveBlocksPerMultiprocessor",
                                              "cudaFuncGetAttributes",
                                              "cudaFuncSetAttribute",
                                              "cudaMalloc"};
      for (const std::string& call : calls) before[call] = standin::calls(call);
      driven.run(driven.all());
      for (const std::string& call : calls) {
        const int needed = call == "cudaEventRecord" ? 3 : 0;  // one a stream, to wait for
        EXPECT_EQ(standin::calls(call) - before[call], needed) << kernel << " " << call;
      }
    }
  }
}

TEST_F(StandinTimes, TheCacheIsFlushedBeforeEachResidentPass) {
  for (const Scope scope : {Scope::kResident, Scope::kEndToEnd}) {
    standin::reset(options_);
    Driven<double> driven(small(scope));
    for (int i = 0; i < 2; ++i) {
      const std::int64_t loaded = standin::loaded_bytes();
      driven.poison();
      EXPECT_EQ(standin::loaded_bytes() - loaded, scope == Scope::kResident ? 4 << 20 : 0);
      if (scope == Scope::kResident) {
        ASSERT_FALSE(standin::launches().empty());
        EXPECT_THAT(standin::launches().back().kernel, HasSubstr("read_all"));
      }
    }
  }
}

TEST_F(StandinTimes, TheDeviceIsWarmBeforeTheFirstCeiling) {
  options_.devices = 2;
  cost({{"cudaLaunchKernelEx", 24}});
  Config config = small(Scope::kResident);
  config.devices = {};
  Driven<double> driven(config);
  const auto launches_of_ceilings = [&] {
    const std::size_t before = standin::launches().size();
    driven.measure_ceilings();
    return standin::launches().size() - before;
  };
  const std::size_t of_both = 2 * 2 * 2;  // a gate; reads and multiply-adds, on either device
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(launches_of_ceilings(), (3 + 1) * of_both) << "the least that is 100 ms";
  const std::size_t again = launches_of_ceilings();
  if (std::chrono::steady_clock::now() - begin < std::chrono::seconds(1)) {
    EXPECT_EQ(again, of_both) << "it stays warm";
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(launches_of_ceilings(), (3 + 1) * of_both) << "others had their turn for a second";
}

/// Scope resident needs no host memory but for what is verified.
TEST_F(StandinTimes, ResidentDataHaveNoHostMemory) {
  const Config config = small(Scope::kResident);
  Driven<double> driven(config);
  EXPECT_FALSE(made(config)->needs().reads_inputs);
  driven.measure_ceilings();
  EXPECT_EQ(standin::live().registrations, 0);
  expect_right(driven);

  Config from_file = config;
  from_file.fill = Fill::kFile;
  EXPECT_TRUE(made(from_file)->needs().reads_inputs);
  Config with_filters = config;
  with_filters.filters_from_file = true;
  EXPECT_TRUE(made(with_filters)->needs().reads_inputs);
  EXPECT_TRUE(made(small(Scope::kEndToEnd))->needs().reads_inputs);
}

/// Data that one configuration made serve the next, unless both would register them at once.
TEST_F(StandinTimes, HostDataStayFromOneConfigurationToTheNext) {
  Config config = small(Scope::kEndToEnd);
  const auto placement = made(config)->needs().placement;
  ASSERT_TRUE(placement);
  EXPECT_EQ(made(small(Scope::kResident))->needs().placement, placement);
  config.interleaved = true;
  EXPECT_FALSE(made(config)->needs().placement);
  config.host_memory = HostMemory::kPageable;
  EXPECT_EQ(made(config)->needs().placement, placement);

  std::vector<double> images(9 * 20 * 28, 1.5), filters(9 * 16, 2.5), results(9 * 5 * 7);
  const auto backend = made(small(Scope::kEndToEnd));
  backend->prepare({reinterpret_cast<std::byte*>(images.data()),
                    reinterpret_cast<std::byte*>(filters.data()),
                    reinterpret_cast<std::byte*>(results.data())});
  EXPECT_THAT(images, Each(1.5));
  EXPECT_THAT(filters, Each(2.5));
}

}  // namespace
}  // namespace convscale::cuda
