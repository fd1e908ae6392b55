// SPDX-License-Identifier: Apache-2.0
// What is timed, and what lies outside of it, by the stand-in's modelled times and its counts.
#include "common/error.hpp"
#include "cuda/backend.hpp"
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
  void TearDown() override { standin::reset(); }

  void cost(std::map<std::string, double> costs_ms) {
    options_.costs_ms = std::move(costs_ms);
    standin::reset(options_);
  }
  standin::Options options_{.memory_bytes = std::size_t{1} << 28, .l2_bytes = 1 << 20};
};

Config config_of(Scope scope, Method method = Method::kStrided, int workers = 3) {
  Config config;
  config.backend = "cuda";
  config.shape = {9, 20, 28, 4, 5};
  config.method = method;
  config.scope = scope;
  config.num_workers = workers;
  return config;
}

/// The time of one more batch, with nothing of events, of the gate, or of a first launch.
TEST_F(StandinTimes, KernelsAreTimedAsTheSlopeOverBatches) {
  constexpr double kLaunchMs = 0.125;  // exact in a float
  for (const Method method : {Method::kStrided, Method::kFull}) {
    for (const int workers : {1, 3}) {
      cost({{"cudaLaunchKernelEx", kLaunchMs},
            {"cudaEventRecord", 0.25},
            {"cudaStreamWaitEvent", 0.5}});
      Driven<double> driven(config_of(Scope::kResident, method, workers));
      driven.iterate();
      EXPECT_DOUBLE_EQ(driven.backend().inspect().phases->kernel_s, 1e-3 * kLaunchMs);
      EXPECT_THAT(driven.backend().inspect().busy_s, Each(1e-3 * kLaunchMs));
      EXPECT_EQ(driven.backend().inspect().busy_s.size(), static_cast<std::size_t>(workers));
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
    Driven<double> driven(config_of(Scope::kResident, Method::kStrided, 1));
    driven.iterate();
    const std::int64_t before = kernels_of(standin::launches());
    driven.backend().inspect().phases;
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
  const Config config = config_of(Scope::kResident);
  const std::int64_t results = config.shape.images * config.shape.outputs() * 8;
  Driven<double> driven(config);
  driven.backend().poison();
  driven.backend().wait(driven.backend().start({0, config.shape.images}));
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
  const Digest digest = driven.backend().inspect().digest;
  EXPECT_EQ(unwritten(), 0);
  EXPECT_EQ(driven.backend().inspect().digest, digest);
  driven.backend().finish();
  EXPECT_EQ(driven.verified().status, VerificationStatus::kPassed);
}

/// They are worth having, but nothing that a run is refused for.
TEST_F(StandinTimes, WithLittleMemoryThereAreFewerCopies) {
  options_.l2_bytes = 50 << 20;
  options_.memory_bytes = 24 << 20;
  cost({});
  Config config = config_of(Scope::kResident);
  config.shape = {9, 400, 400, 4, 5};  // 11.5 MB, and caches' worth are 18 times that
  Driven<double> driven(config);
  EXPECT_EQ(driven.iterate().unwritten, 0);
  EXPECT_GT(driven.backend().inspect().phases->kernel_s, 0);
}

TEST_F(StandinTimes, TheTimedPartQueuesKernelsAndWhatIsWaitedFor) {
  for (const Method method : {Method::kStrided, Method::kFull}) {
    for (const char* kernel : {"auto", "direct", "tiled"}) {
      Config config = config_of(Scope::kResident, method);
      config.kernel = kernel;
      standin::reset(options_);
      Driven<double> driven(config);
      driven.backend().poison();
      std::map<std::string, std::int64_t> before;
      const std::vector<std::string> calls = {"cudaEventRecord",
                                              "cudaMemcpyAsync",
                                              "cudaMemsetAsync",
                                              "cudaOccupancyMaxActiveBlocksPerMultiprocessor",
                                              "cudaFuncGetAttributes",
                                              "cudaFuncSetAttribute",
                                              "cudaMalloc"};
      for (const std::string& call : calls) before[call] = standin::calls(call);
      driven.backend().wait(driven.backend().start({0, 9}));
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
    Driven<double> driven(config_of(scope));
    for (int i = 0; i < 2; ++i) {
      const std::int64_t loaded = standin::loaded_bytes();
      driven.backend().poison();
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
  Config config = config_of(Scope::kResident);
  config.devices = {};
  Driven<double> driven(config);
  const auto launches_of_ceilings = [&] {
    const std::size_t before = standin::launches().size();
    driven.backend().measure_ceilings();
    return standin::launches().size() - before;
  };
  const std::size_t of_both = 2 * 2 * 2;  // a gate; reads and multiply-adds, on either device
  EXPECT_EQ(launches_of_ceilings(), (3 + 1) * of_both) << "the least that is 100 ms";
  EXPECT_EQ(launches_of_ceilings(), of_both) << "it stays warm";
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(launches_of_ceilings(), (3 + 1) * of_both) << "others had their turn for a second";
}

/// Scope resident needs no host memory but for what is verified.
TEST_F(StandinTimes, ResidentDataHaveNoHostMemory) {
  const Config config = config_of(Scope::kResident);
  Driven<double> driven(config);
  EXPECT_EQ(standin::live().registrations, 0);
  const Digest digest = driven.iterate();
  const auto backend = cuda_backend().create(config, {});
  EXPECT_FALSE(backend->needs().reads_inputs);
  std::vector<double> results(
      static_cast<std::size_t>(config.shape.images * config.shape.outputs()));
  backend->prepare({.results = reinterpret_cast<std::byte*>(results.data())});
  backend->load();
  backend->measure_ceilings();
  backend->poison();
  backend->wait(backend->start({0, 9}));
  EXPECT_EQ(backend->inspect().digest, digest);
  backend->finish();
  EXPECT_EQ(digest_of(std::span<const double>(results), 0), digest);

  Config from_file = config;
  from_file.fill = Fill::kFile;
  EXPECT_TRUE(cuda_backend().create(from_file, {})->needs().reads_inputs);
  Config with_filters = config;
  with_filters.filters_from_file = true;
  EXPECT_TRUE(cuda_backend().create(with_filters, {})->needs().reads_inputs);
  EXPECT_TRUE(cuda_backend().create(config_of(Scope::kEndToEnd), {})->needs().reads_inputs);
}

/// Data that one configuration made serve the next, unless both would register them at once.
TEST_F(StandinTimes, HostDataStayFromOneConfigurationToTheNext) {
  Config config = config_of(Scope::kEndToEnd);
  const auto placement = cuda_backend().create(config, {})->needs().placement;
  ASSERT_TRUE(placement);
  EXPECT_EQ(cuda_backend().create(config_of(Scope::kResident), {})->needs().placement, placement);
  config.interleaved = true;
  EXPECT_FALSE(cuda_backend().create(config, {})->needs().placement);
  config.host_memory = HostMemory::kPageable;
  EXPECT_EQ(cuda_backend().create(config, {})->needs().placement, placement);

  std::vector<double> images(9 * 20 * 28, 1.5), filters(9 * 16, 2.5), results(9 * 5 * 7);
  const auto backend = cuda_backend().create(config_of(Scope::kEndToEnd), {});
  backend->prepare({reinterpret_cast<std::byte*>(images.data()),
                    reinterpret_cast<std::byte*>(filters.data()),
                    reinterpret_cast<std::byte*>(results.data())});
  EXPECT_THAT(images, Each(1.5));
  EXPECT_THAT(filters, Each(2.5));
}

}  // namespace
}  // namespace convscale::cuda
