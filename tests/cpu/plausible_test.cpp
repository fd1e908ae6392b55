// SPDX-License-Identifier: Apache-2.0
#include "cpu/plausible.hpp"

#include "common/buffer.hpp"
#include "cpu/backend.hpp"
#include "cpu/kernel_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace convscale {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr CeilingLoops loops_of(int vector_bytes) {
  return {"model", kIsaBaseline, vector_bytes, nullptr, nullptr, nullptr};
}
constexpr ProcessorClock kThreeGigahertz{.hz = 3e9, .is_most = true};

/// What no machine of `cores` such cores can exceed, of doubles in vectors of 64 bytes.
constexpr double most(int cores) { return cores * 3e9 * 1.25 * 2 * 8 * 2; }

TEST(RemarkOnPeak, IsMadeOnlyOfWhatNoProcessorCanDo) {
  const auto remark = [](double flops_per_s, int cores, int vector_bytes, Dtype dtype) {
    return remark_on_peak(flops_per_s, cores, loops_of(vector_bytes), dtype, kThreeGigahertz)
        .has_value();
  };
  EXPECT_FALSE(remark(most(4), 4, 64, Dtype::kFloat64));
  EXPECT_TRUE(remark(most(4) * 1.01, 4, 64, Dtype::kFloat64));
  EXPECT_FALSE(remark(2 * most(4), 4, 64, Dtype::kFloat32)) << "twice as many lanes";
  EXPECT_TRUE(remark(2.01 * most(4), 4, 64, Dtype::kFloat32));
  EXPECT_TRUE(remark(most(4) / 2 * 1.01, 4, 32, Dtype::kFloat64));
  EXPECT_FALSE(remark(most(4) / 2, 4, 16, Dtype::kFloat64)) << "four units of 16 bytes";
  EXPECT_TRUE(remark(most(4), 3, 64, Dtype::kFloat64)) << "of fewer cores";
}

/// The peak at the stated clock, counted twice, is found; reached in full, it is not.
TEST(RemarkOnPeak, FindsWhatIsCountedTwice) {
  const double right = 4 * kThreeGigahertz.hz * 2 * 8 * 2;
  EXPECT_FALSE(remark_on_peak(right, 4, loops_of(64), Dtype::kFloat64, kThreeGigahertz));
  const auto remark = remark_on_peak(2 * right, 4, loops_of(64), Dtype::kFloat64, kThreeGigahertz);
  EXPECT_EQ(remark,
            "the FMA peak of 768.0 GFLOP/s is more than 4 cores with a clock of 3.00 GHz can do "
            "(480.0 GFLOP/s): this peak is wrong");
}

TEST(RemarkOnPeak, LeavesRoomForTheBoostOfANominalClockAndAnythingWhereNoneIsKnown) {
  const ProcessorClock nominal{.hz = 1.1e9, .is_most = false};  // and 4.7 GHz at most
  const double boosted = 4.7e9 * 2 * 4 * 2;
  EXPECT_FALSE(remark_on_peak(boosted, 1, loops_of(32), Dtype::kFloat64, nominal));
  EXPECT_TRUE(remark_on_peak(2 * boosted, 1, loops_of(32), Dtype::kFloat64, nominal));
  EXPECT_FALSE(remark_on_peak(1e30, 4, loops_of(64), Dtype::kFloat64, std::nullopt));
  EXPECT_FALSE(remark_on_peak(1e30, 0, loops_of(64), Dtype::kFloat64, kThreeGigahertz));
}

TEST(RemarkOnReads, IsMadeOfWildDifferencesOnly) {
  EXPECT_FALSE(remark_on_reads({}));
  EXPECT_FALSE(remark_on_reads(std::vector{12e9}));
  EXPECT_FALSE(remark_on_reads(std::vector{12e9, 3e9, 5e9})) << "memory that is far away";
  EXPECT_FALSE(remark_on_reads(std::vector{12e9, 0.5e9}));
  EXPECT_EQ(remark_on_reads(std::vector{12e9, 0.1e9, 13e9}),
            "worker 2 read 130 times as fast as worker 1 in their best passes (13.0 and 0.1 GB/s): "
            "the read bandwidth is doubtful");
}

/// The warnings of a backend that measured ceilings with `loops`.
std::vector<std::string> warnings_with(const CeilingLoops& loops) {
  Config config;
  config.shape = {.images = 4, .height = 512, .width = 512, .filter_size = 4, .stride = 5};
  config.num_workers = 2;
  const PageBuffer images(4 * config.shape.pixels() * 8, "images"), filters(4 * 16 * 8, "filters"),
      results(4 * config.shape.outputs() * 8, "results");
  const auto backend = make_cpu_backend(config, {}, cpu_kernels(), loops);
  backend->prepare({images.data(), filters.data(), results.data()});
  for (int pass = 0; pass < 3; ++pass) backend->measure_ceilings();
  return backend->finish().warnings;
}

double honest_fma(std::int64_t count) { return supported_ceiling_loops().fma_float64(count); }
double honest_read(const void* data, std::int64_t bytes, int streams) {
  return supported_ceiling_loops().read(data, bytes, streams);
}

/// Claims a hundred thousand times of what it does.
double boasting_fma(std::int64_t count) { return 1e5 * honest_fma(count); }

/// The first thread that comes reads nothing.
std::atomic<std::thread::id> idle_thread;
double read_unless_idle(const void* data, std::int64_t bytes, int streams) {
  std::thread::id nobody;
  idle_thread.compare_exchange_strong(nobody, std::this_thread::get_id());
  return idle_thread == std::this_thread::get_id() ? 1 : honest_read(data, bytes, streams);
}

TEST(CpuBackend, WarnsOfCeilingsThatCannotBe) {
  const int vector_bytes = supported_ceiling_loops().vector_bytes;
  const auto honest =
      CeilingLoops{"honest", kIsaBaseline, vector_bytes, honest_read, honest_fma, honest_fma};
  EXPECT_THAT(warnings_with(honest), Not(Contains(HasSubstr("this peak is wrong"))));
  auto boasting = honest;
  boasting.fma_float64 = boasting_fma;
  if (processor_clock()) {
    EXPECT_THAT(warnings_with(boasting), Contains(HasSubstr("this peak is wrong")));
  }
  auto idle = honest;
  idle.read = read_unless_idle;
  EXPECT_THAT(warnings_with(idle), Contains(HasSubstr("the read bandwidth is doubtful")));
}

}  // namespace
}  // namespace convscale
