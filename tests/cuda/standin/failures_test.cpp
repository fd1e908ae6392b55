// SPDX-License-Identifier: Apache-2.0
// What the backend does when calls of the runtime fail.
#include "cuda/driven.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <string>

namespace convscale::cuda {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

/// Everything that a backend does, from its making to its end.
struct RunThrough {
  std::string error;       ///< code and message; empty without one
  std::int64_t calls = 0;  ///< of the runtime's function `call`, until the end begins

  RunThrough(Scope scope, const char* call, bool with_ceilings) {
    try {
      Driven<double> driven(small(scope));
      if (with_ceilings) driven.measure_ceilings();
      driven.iterate();
      driven.collect();
      driven.phases();
      driven.busy_s();
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
TEST(StandinFailures, EveryCallMayFail) {
  const standin::Options options{
      .elapsed_ms = 1};  // how many batches are timed, and which rows travel, depends on times
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const char* call : kCalls) {
      standin::reset(options);
      const RunThrough counted(scope, call, false);
      ASSERT_EQ(counted.error, "");
      if (counted.calls == 0) continue;
      for (const std::int64_t nth : {std::int64_t{1}, counted.calls / 2 + 1, counted.calls})
        expect_failure(scope, call, false, nth, options);
    }
  }
}

TEST(StandinFailures, MeasuringCeilingsMayFail) {
  for (const char* call : {"cudaStreamWaitEvent", "cudaLaunchKernelEx", "cudaMemcpyAsync"})
    expect_failure(Scope::kResident, call, true, 1, {});
}

/// A fault that shows when the work runs, after the call that queued it.
TEST(StandinFailures, WorkMayFailLater) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const char* call : {"cudaLaunchKernelEx", "cudaMemsetAsync", "cudaMemcpyAsync"}) {
      standin::reset();
      if (RunThrough(scope, call, false).calls == 0) continue;
      standin::reset();
      standin::fail_later(call, cudaErrorIllegalAddress);
      SCOPED_TRACE(call);
      expect_one_message(RunThrough(scope, call, false).error, "cudaErrorIllegalAddress");
    }
  }
}

}  // namespace
}  // namespace convscale::cuda
