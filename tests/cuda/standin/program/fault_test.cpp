// SPDX-License-Identifier: Apache-2.0
// The whole program when a device fails in the middle of a batch.
#include "bench/outcome.hpp"
#include "cuda/backend.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace convscale::cuda {
namespace {

using ::convscale::testing::Outcome;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr int kStreams = 3;

/// One iteration of a batch that goes up, through a kernel and down again in each stream; nothing
/// runs before it is waited for.
Outcome run() {
  return convscale::testing::run(
      {"--backend", "cuda", "--kernel", "direct", "--method", "strided", "--size", "20x28", "--mem",
       "6720", "--num_workers", std::to_string(kStreams), "--iterations", "1", "--burns", "0",
       "--quiet", "--no-progress"},
      {cuda_backend()});
}

/// A mended bug: the host's buffers went before the backend, whose end waits for what is under way
/// to them.
TEST(ProgramFault, HostMemoryOutlivesTheBackend) {
  // Work that is long enough to warm a device up at once, so that all runs are alike.
  const standin::Options options{.costs_ms = {{"cudaLaunchKernelEx", 100}}};
  standin::reset(options);
  ASSERT_EQ(run().code, 0);
  const std::int64_t launches = standin::calls("cudaLaunchKernelEx");
  ASSERT_GE(std::ranges::count_if(standin::launches(),
                                  [](const standin::Launch& launch) {
                                    return launch.kernel.find("write_each") != std::string::npos;
                                  }),
            kStreams);
  // Those of the ceilings, and the batch's.
  for (std::int64_t nth = 1; nth <= launches; ++nth) {
    SCOPED_TRACE("launch " + std::to_string(nth) + " of " + std::to_string(launches));
    standin::reset(options);
    standin::fail("cudaLaunchKernelEx", cudaErrorLaunchFailure, static_cast<int>(nth));
    const Outcome outcome = run();
    EXPECT_EQ(outcome.code, 5);
    EXPECT_THAT(outcome.err, MatchesRegex("convscale: cuda/[a-z_/]+\\.cu:[0-9]+: [^\n]+\n"));
    EXPECT_THAT(outcome.err, HasSubstr("cudaErrorLaunchFailure"));
    EXPECT_EQ(standin::live(), standin::Live{}) << "something leaks";
    EXPECT_EQ(standin::calls("cudaLaunchKernelEx"), nth) << "it went on";
  }
}

}  // namespace
}  // namespace convscale::cuda
