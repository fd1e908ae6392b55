// SPDX-License-Identifier: Apache-2.0
// What the backend does when calls of the runtime fail.
#include "cuda/driven.hpp"
#include "standin.hpp"

#include <gmock/gmock.h>

#include <map>
#include <string>

namespace convscale::cuda {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr const char* kCalls[] = {
    "cudaSetDevice",       "cudaGetDeviceProperties", "cudaMemGetInfo",
    "cudaMalloc",          "cudaHostRegister",        "cudaStreamCreateWithFlags",
    "cudaEventCreate",     "cudaEventRecord",         "cudaMemcpyAsync",
    "cudaMemcpy2DAsync",   "cudaMemcpy3DAsync",       "cudaMemsetAsync",
    "cudaLaunchKernelEx",  "cudaStreamSynchronize",   "cudaEventSynchronize",
    "cudaEventElapsedTime"};

/// Everything that a backend does, from its making to its end.
struct RunThrough {
  std::string error;                          ///< code and message; empty without one
  std::map<std::string, std::int64_t> calls;  ///< of the runtime's functions, until the end begins

  explicit RunThrough(Scope scope, bool with_ceilings = false) {
    try {
      Driven<double> driven(small(scope));
      if (with_ceilings) driven.measure_ceilings();
      driven.iterate();
      driven.finish();
      driven.phases();
      driven.busy_s();
      for (const char* call : kCalls) calls[call] = standin::calls(call);
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

void expect_failure(Scope scope, const std::string& call, std::int64_t nth,
                    const standin::Options& options, bool with_ceilings = false) {
  SCOPED_TRACE(call + " number " + std::to_string(nth));
  standin::reset(options);
  standin::fail(call, cudaErrorUnknown, static_cast<int>(nth));
  expect_one_message(RunThrough(scope, with_ceilings).error, "cudaErrorUnknown");
}

/// Each call of the runtime fails once, early and late: one message with the call, file and line,
/// and nothing is left behind.
TEST(StandinFailures, EveryCallMayFail) {
  // How many batches are timed, and which rows travel, depends on times.
  const standin::Options options{.elapsed_ms = 1};
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    standin::reset(options);
    const RunThrough counted(scope);
    ASSERT_EQ(counted.error, "");
    for (const auto& [call, count] : counted.calls) {
      if (count == 0) continue;
      for (const std::int64_t nth : {std::int64_t{1}, count / 2 + 1, count})
        expect_failure(scope, call, nth, options);
    }
  }
}

TEST(StandinFailures, MeasuringCeilingsMayFail) {
  for (const char* call : {"cudaStreamWaitEvent", "cudaLaunchKernelEx", "cudaMemcpyAsync"})
    expect_failure(Scope::kResident, call, 1, {}, /*with_ceilings=*/true);
}

/// A fault that shows when the work runs, after the call that queued it.
TEST(StandinFailures, WorkMayFailLater) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    for (const char* call : {"cudaLaunchKernelEx", "cudaMemsetAsync", "cudaMemcpyAsync"}) {
      if (scope == Scope::kResident && call == std::string("cudaMemsetAsync")) continue;
      standin::reset();
      standin::fail_later(call, cudaErrorIllegalAddress);
      SCOPED_TRACE(call);
      expect_one_message(RunThrough(scope).error, "cudaErrorIllegalAddress");
    }
  }
}

}  // namespace
}  // namespace convscale::cuda
