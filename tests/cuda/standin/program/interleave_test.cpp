// SPDX-License-Identifier: Apache-2.0
// The whole program with rows that take turns on a device.
#include "bench/outcome.hpp"
#include "cuda/backend.hpp"
#include "cuda/ceiling_meter.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace convscale::cuda {
namespace {

using ::convscale::testing::Outcome;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Two rows of 4.2 MB of pixels on a device that has `memory_bytes` beside what ceilings take.
Outcome run(std::size_t memory_bytes, const std::vector<std::string>& more) {
  standin::Options options;
  options.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0)) + memory_bytes;
  standin::reset(options);
  std::vector<std::string> args{
      "--backend",    "cuda",  "--kernel", "direct", "--method", "full,strided",
      "--size",       "50x60", "--mem",    "525000", "-w",       "2",
      "--iterations", "1",     "--burns",  "0",      "--quiet",  "--no-progress"};
  args.insert(args.end(), more.begin(), more.end());
  return convscale::testing::run(std::move(args), {cuda_backend()});
}

TEST(ProgramInterleave, RowsTakeTurnsOnADevice) {
  const Outcome outcome = run(512 << 20, {"--interleave"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("(row 1)"), HasSubstr("(row 2)")));
  EXPECT_EQ(standin::live(), standin::Live{});
}

TEST(ProgramInterleave, ChecksTheDevicesMemoryForAllRowsFirst) {
  EXPECT_EQ(run(8 << 20, {}).code, 0) << "each has room alone";
  const Outcome outcome = run(8 << 20, {"--interleave"});
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(
      outcome.err,
      AllOf(StartsWith("convscale: --interleave holds all configurations at once: device 0 ("),
            HasSubstr(" MB are free; leaving --interleave out would do\n")));
  EXPECT_EQ(standin::calls("cudaLaunchKernelEx"), 0) << "something ran before";
  EXPECT_EQ(standin::live(), standin::Live{});
}

}  // namespace
}  // namespace convscale::cuda
