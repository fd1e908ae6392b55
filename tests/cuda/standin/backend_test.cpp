// SPDX-License-Identifier: Apache-2.0
// What the backend does on machines that only the stand-in can be: several devices, little memory,
// calls that fail.
#include "cuda/backend.hpp"

#include "common/error.hpp"
#include "cuda/ceiling_meter.hpp"
#include "cuda/driven.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class StandinBackend : public ::testing::Test {
 protected:
  void SetUp() override { standin::reset(options_); }
  void TearDown() override {
    EXPECT_EQ(standin::live(), standin::Live{}) << "something leaks";
    standin::reset();
  }
  standin::Options options_{.multiprocessors = 2};
};

Config small(Scope scope = Scope::kEndToEnd) {
  Config config;
  config.backend = "cuda";
  config.shape = {9, 20, 28, 4, 5};
  config.method = Method::kStrided;
  config.scope = scope;
  config.num_workers = 3;
  return config;
}

TEST_F(StandinBackend, SeveralDevicesShareTheImages) {
  options_.devices = 3;
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const std::vector<int>& devices : {std::vector<int>{}, {2, 0}}) {
      standin::reset(options_);
      Config config = small(scope);
      config.devices = devices;
      Driven<double> driven(config);
      expect_right(driven);
      const BackendFacts facts = driven.backend().facts();
      ASSERT_EQ(facts.devices.size(), devices.empty() ? 3u : 2u);
      EXPECT_EQ(facts.devices[0].index, devices.empty() ? 0 : 2);
      std::vector<int> launches(3);
      for (const standin::Launch& launch : standin::launches())
        ++launches[static_cast<std::size_t>(launch.device)];
      EXPECT_EQ(launches[1] > 0, devices.empty()) << "each device that was named, and no other";
      EXPECT_GT(launches[0], 0);
      EXPECT_GT(launches[2], 0);
      EXPECT_EQ(driven.backend().inspect().busy_s.size(), 3u);
    }
  }
}

TEST_F(StandinBackend, SumsTheCeilingsOfDevices) {
  options_.devices = 2;
  standin::reset(options_);
  Config config = small();
  config.devices = {};
  Driven<double> driven(config);
  const Ceilings ceilings = driven.backend().measure_ceilings();
  EXPECT_TRUE(ceilings.read_bytes_per_s && ceilings.peak_flops_per_s && ceilings.up_bytes_per_s &&
              ceilings.down_bytes_per_s && ceilings.duplex_bytes_per_s);
  expect_right(driven);
}

TEST_F(StandinBackend, ADeviceNeedsAStream) {
  options_.devices = 4;
  standin::reset(options_);
  Config config = small();
  config.devices = {};
  try {
    cuda_backend().create(config, {});
    FAIL();
  } catch (const UnsupportedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("4 devices need a stream each; --num_workers 4 would do"));
  }
}

TEST_F(StandinBackend, OnlyNeededRowsTravel) {
  options_.costs_ms = {{"cudaMemcpyAsync", 9}, {"cudaMemcpy2DAsync", 1}, {"cudaMemcpy3DAsync", 1}};
  standin::reset(options_);
  Driven<double> driven(small());
  driven.backend().poison();
  const standin::Copied before = standin::copied();
  driven.backend().wait(driven.backend().start({0, 9}));
  const Transfer transfer = driven.backend().facts().transfer;
  EXPECT_EQ(standin::copied().up - before.up, transfer.up_bytes);
  EXPECT_EQ(standin::copied().down - before.down, transfer.down_bytes);
  EXPECT_EQ(driven.backend().finish().path, "");
  EXPECT_LT(transfer.up_bytes, 9 * (20 * 28 + 16) * 8);
}

TEST_F(StandinBackend, AllRowsTravelWhereThatIsFaster) {
  options_.costs_ms = {{"cudaMemcpyAsync", 2}, {"cudaMemcpy2DAsync", 1}, {"cudaMemcpy3DAsync", 1}};
  standin::reset(options_);
  Driven<double> driven(small());  // copies of row 0, of the groups, and of the rows behind them
  const standin::Copied before = standin::copied();
  expect_right(driven);
  EXPECT_EQ(standin::copied().up - before.up, 9 * (20 * 28 + 16) * 8);
  EXPECT_EQ(driven.backend().finish().path, "all rows are sent");
  EXPECT_LT(driven.backend().facts().transfer.up_bytes, 9 * (20 * 28 + 16) * 8)
      << "what the method needs is what the bound is made of";
}

TEST_F(StandinBackend, ResidentDataDoesNotTravel) {
  Driven<double> driven(small(Scope::kResident));
  driven.backend().poison();
  const standin::Copied before = standin::copied();
  driven.backend().wait(driven.backend().start({0, 9}));
  EXPECT_EQ(standin::copied(), before);
}

/// A device that cannot hold the batch: it goes through in ranges.
TEST_F(StandinBackend, MoreThanTheMemory) {
  Config config = small();
  config.shape = {175, 50, 60, 4, 5};  // 4.2 MB of pixels
  config.num_workers = 2;
  options_.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0) + (4 << 20));
  standin::reset(options_);
  config.kernel = "direct";
  for (const Method method : {Method::kFull, Method::kStrided}) {
    config.method = method;
    Driven<double> driven(config);
    expect_right(driven);
    if (method == Method::kFull) continue;
    EXPECT_TRUE(driven.backend().measure_ceilings().read_bytes_per_s);
    expect_right(driven);
  }
  config.scope = Scope::kResident;
  try {
    Driven<double> driven(config);
    FAIL();
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("scope resident needs "));
    EXPECT_THAT(error.what(), HasSubstr("a smaller --mem, or --scope end-to-end, would do"));
  }
}

TEST_F(StandinBackend, TooLittleMemoryForOneImage) {
  Config config = small();
  config.shape = {4, 1200, 1200, 4, 5};
  options_.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0) + (12 << 20));
  standin::reset(options_);
  try {
    Driven<double> driven(config);
    FAIL();
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("one image a stream needs "));
    EXPECT_THAT(error.what(), HasSubstr("a smaller --size, or fewer --num_workers, would do"));
  }
}

std::string refusal() {
  try {
    cuda_backend().create(small(), {});
  } catch (const UnsupportedError& error) {
    return error.what();
  }
  return "created";
}

TEST_F(StandinBackend, StopsBetweenChunks) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    standin::reset(options_);
    Config config = small(scope);
    config.shape = {50, 400, 400, 4, 40};  // 64 MB
    config.num_workers = 1;
    int until = 1'000'000;  // questions that are answered with no
    Driven<double> driven(config, {.stop = [&] { return --until < 0; }});
    const std::int64_t all = config.shape.images * config.shape.outputs();
    until = 0;
    EXPECT_EQ(driven.iterate().unwritten, all);
    until = 2;
    const std::int64_t unwritten = driven.iterate().unwritten;
    if (scope == Scope::kEndToEnd) {  // what is resident is one chunk
      EXPECT_GT(unwritten, 0);
      EXPECT_LT(unwritten, all);
    }
    until = 1'000'000;
    expect_right(driven);
  }
}

TEST_F(StandinBackend, SaysWhyThereIsNoDevice) {
  options_.driver = standin::Driver::kMissing;
  standin::reset(options_);
  EXPECT_EQ(refusal(), "--backend cuda: no NVIDIA driver is loaded; --backend cpu runs here");
  EXPECT_EQ(cuda_backend().devices().front().unsupported, "no NVIDIA driver is loaded");
  options_.driver = standin::Driver::kTooOld;
  standin::reset(options_);
  EXPECT_THAT(refusal(), ContainsRegex("the driver supports CUDA [0-9.]+, this program needs "));
  options_ = {.devices = 0};
  standin::reset(options_);
  EXPECT_THAT(refusal(), HasSubstr("the driver sees no device"));
}

/// Everything that a backend does, from its making to its end.
struct RunThrough {
  std::string error;       ///< code and message; empty without one
  std::int64_t calls = 0;  ///< of the runtime's function `call`, until the end begins

  RunThrough(Scope scope, const char* call, bool with_ceilings) {
    try {
      Driven<double> driven(small(scope));
      if (with_ceilings) driven.backend().measure_ceilings();
      driven.iterate();
      driven.backend().finish();
      driven.backend().inspect().phases;
      driven.backend().inspect().busy_s;
      calls = standin::calls(call);
    } catch (const Error& caught) {
      error = std::to_string(static_cast<int>(caught.code())) + " " + caught.what();
    }
  }
};

void expect_one_message(const std::string& error, const char* name) {
  EXPECT_THAT(error, ContainsRegex("^5 cuda/[a-z_/]+\\.(cpp|cu|hpp):[0-9]+: "));
  EXPECT_THAT(error, HasSubstr(name));
  EXPECT_EQ(error.find('\n'), std::string::npos);
  EXPECT_EQ(standin::live(), standin::Live{}) << "something leaks";
}

void expect_failure(Scope scope, const char* call, bool with_ceilings, std::int64_t nth,
                    const standin::Options& options) {
  SCOPED_TRACE(std::string(call) + " number " + std::to_string(nth));
  standin::reset(options);
  standin::fail(call, cudaErrorUnknown, static_cast<int>(nth));
  expect_one_message(RunThrough(scope, call, with_ceilings).error, "cudaErrorUnknown");
}

constexpr const char* kCalls[] = {
    "cudaSetDevice",       "cudaGetDeviceProperties", "cudaMemGetInfo",
    "cudaMalloc",          "cudaHostRegister",        "cudaStreamCreateWithFlags",
    "cudaEventCreate",     "cudaEventRecord",         "cudaMemcpyAsync",
    "cudaMemcpy2DAsync",   "cudaMemcpy3DAsync",       "cudaMemsetAsync",
    "cudaLaunchKernelEx",  "cudaStreamSynchronize",   "cudaEventSynchronize",
    "cudaEventElapsedTime"};

/// Each call of the runtime fails once, early and late: one message with the call, file and line,
/// and nothing is left behind.
TEST_F(StandinBackend, EveryCallMayFail) {
  options_.elapsed_ms = 1;  // how many batches are timed, and which rows travel, depends on times
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const char* call : kCalls) {
      standin::reset(options_);
      const RunThrough counted(scope, call, false);
      ASSERT_EQ(counted.error, "");
      if (counted.calls == 0) continue;
      for (const std::int64_t nth : {std::int64_t{1}, counted.calls / 2 + 1, counted.calls})
        expect_failure(scope, call, false, nth, options_);
    }
  }
}

TEST_F(StandinBackend, MeasuringCeilingsMayFail) {
  standin::reset(options_);
  for (const char* call : {"cudaStreamWaitEvent", "cudaLaunchKernelEx", "cudaMemcpyAsync"})
    expect_failure(Scope::kResident, call, true, 1, options_);
}

/// A fault that shows when the work runs, after the call that queued it.
TEST_F(StandinBackend, WorkMayFailLater) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const char* call : {"cudaLaunchKernelEx", "cudaMemsetAsync", "cudaMemcpyAsync"}) {
      standin::reset(options_);
      if (RunThrough(scope, call, false).calls == 0) continue;
      standin::reset(options_);
      standin::fail_later(call, cudaErrorIllegalAddress);
      SCOPED_TRACE(call);
      expect_one_message(RunThrough(scope, call, false).error, "cudaErrorIllegalAddress");
    }
  }
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
