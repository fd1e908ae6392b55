// SPDX-License-Identifier: Apache-2.0
// What the backend does on machines that only the stand-in can be: several devices, little memory,
// calls that fail.
#include "cuda/ceiling_meter.hpp"
#include "cuda/driven.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class StandinBackend : public ::testing::Test {
 protected:
  standin::Options options_;
};

TEST_F(StandinBackend, SeveralDevicesShareTheImages) {
  options_.devices = 3;
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const std::vector<int>& devices : {std::vector<int>{}, {2, 0}}) {
      standin::reset(options_);
      Config config = small(scope);
      config.devices = devices;
      Driven<double> driven(config);
      expect_right(driven);
      const BackendFacts facts = driven.finish();
      ASSERT_EQ(facts.devices.size(), devices.empty() ? 3u : 2u);
      EXPECT_EQ(facts.devices[0].index, devices.empty() ? 0 : 2);
      std::vector<int> launches(3);
      for (const standin::Launch& launch : standin::launches())
        ++launches[static_cast<std::size_t>(launch.device)];
      EXPECT_EQ(launches[1] > 0, devices.empty()) << "each device that was named, and no other";
      EXPECT_GT(launches[0], 0);
      EXPECT_GT(launches[2], 0);
      EXPECT_EQ(driven.busy_s().size(), 3u);
    }
  }
}

TEST_F(StandinBackend, ADeviceNeedsAStream) {
  options_.devices = 4;
  standin::reset(options_);
  Config config = small();
  config.devices = {};
  EXPECT_THAT(refusal(config), HasSubstr("4 devices need a stream each; --num_workers 4 would do"));
}

TEST_F(StandinBackend, OnlyNeededRowsTravel) {
  options_.costs_ms = {{"cudaMemcpyAsync", 9}, {"cudaMemcpy2DAsync", 1}, {"cudaMemcpy3DAsync", 1}};
  standin::reset(options_);
  Driven<double> driven(small());
  driven.poison();
  const standin::Copied before = standin::copied();
  driven.run(driven.all());
  const Transfer transfer = driven.finish().transfer;
  EXPECT_EQ(standin::copied().up - before.up, transfer.up_bytes);
  EXPECT_EQ(standin::copied().down - before.down, transfer.down_bytes);
  EXPECT_EQ(driven.finish().path, "");
  EXPECT_LT(transfer.up_bytes, 9 * (20 * 28 + 16) * 8);
}

TEST_F(StandinBackend, AllRowsTravelWhereThatIsFaster) {
  options_.costs_ms = {{"cudaMemcpyAsync", 2}, {"cudaMemcpy2DAsync", 1}, {"cudaMemcpy3DAsync", 1}};
  standin::reset(options_);
  Driven<double> driven(small());  // copies of row 0, of the groups, and of the rows behind them
  const standin::Copied before = standin::copied();
  expect_right(driven);
  EXPECT_EQ(standin::copied().up - before.up, 9 * (20 * 28 + 16) * 8);
  EXPECT_EQ(driven.finish().path, "all rows are sent");
  EXPECT_LT(driven.finish().transfer.up_bytes, 9 * (20 * 28 + 16) * 8)
      << "what the method needs is what the bound is made of";
}

TEST_F(StandinBackend, ResidentDataDoesNotTravel) {
  Driven<double> driven(small(Scope::kResident));
  driven.poison();
  const standin::Copied before = standin::copied();
  driven.run(driven.all());
  EXPECT_EQ(standin::copied(), before);
}

/// A device that cannot hold the batch: it goes through in ranges.
class StandinLittleMemory : public StandinBackend {
 protected:
  void SetUp() override {
    options_.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0) + (4 << 20));
    standin::reset(options_);
    config_.shape = {175, 50, 60, 4, 5};  // 4.2 MB of pixels
    config_.num_workers = 2;
    config_.kernel = "direct";
  }
  Config config_ = small();
};

TEST_F(StandinLittleMemory, LargeBatchesGoThroughInRanges) {
  for (const Method method : {Method::kFull, Method::kStrided}) {
    config_.method = method;
    Driven<double> driven(config_);
    expect_right(driven);
    if (method == Method::kFull) continue;
    EXPECT_TRUE(driven.measure_ceilings().read_bytes_per_s);
    expect_right(driven);
  }
}

TEST_F(StandinLittleMemory, IsRefusedWithWhatWouldDo) {
  config_.scope = Scope::kResident;
  EXPECT_THAT(refusal(config_),
              AllOf(HasSubstr("scope resident needs "),
                    HasSubstr("a smaller --mem, or --scope end-to-end, would do")));
  config_ = small();
  config_.shape = {4, 1200, 1200, 4, 5};
  EXPECT_THAT(refusal(config_),
              AllOf(HasSubstr("one image a stream needs "),
                    HasSubstr("a smaller --size, or fewer --num_workers, would do")));
}

TEST_F(StandinLittleMemory, StopsBetweenChunks) {
  for (const Config& config : {config_, small(Scope::kResident)}) {
    Driven<double> driven(config);
    const std::int64_t all = config.shape.images * config.shape.outputs();
    driven.stop_when([] { return true; });
    EXPECT_EQ(driven.iterate().unwritten, all);
    driven.stop_when([asked = 0]() mutable { return ++asked == 2; });
    const std::int64_t unwritten = driven.iterate().unwritten;
    if (config.scope == Scope::kEndToEnd) {  // what is resident is one chunk
      EXPECT_GT(unwritten, 0);
      EXPECT_LT(unwritten, all);
    }
    driven.stop_when([] { return false; });
    expect_right(driven);
  }
}

TEST_F(StandinBackend, SaysWhyThereIsNoDevice) {
  options_.driver = standin::Driver::kMissing;
  standin::reset(options_);
  EXPECT_EQ(refusal(small()),
            "3 --backend cuda: no NVIDIA driver is loaded; --backend cpu runs here");
  EXPECT_EQ(cuda_backend().devices().front().unsupported, "no NVIDIA driver is loaded");
  options_.driver = standin::Driver::kTooOld;
  standin::reset(options_);
  EXPECT_THAT(refusal(small()),
              ContainsRegex("the driver supports CUDA [0-9.]+, this program needs "));
  options_ = {.devices = 0};
  standin::reset(options_);
  EXPECT_THAT(refusal(small()), HasSubstr("the driver sees no device"));
}

/// Streams may run in any order and at any time.
TEST_F(StandinBackend, AnyInterleavingOfStreams) {
  for (const standin::Progress progress :
       {standin::Progress::kLate, standin::Progress::kEarly, standin::Progress::kAny}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      options_.progress = progress;
      options_.seed = seed;
      standin::reset(options_);
      for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
        Driven<double> driven(small(scope));
        expect_right(driven);
      }
    }
  }
}

}  // namespace
}  // namespace convscale::cuda
