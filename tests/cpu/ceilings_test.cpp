// SPDX-License-Identifier: Apache-2.0
// A ceiling is an amount over a time. The amounts are counted here, and the time is the tests' own.
#include "cpu/ceilings.hpp"

#include "common/buffer.hpp"
#include "common/host.hpp"
#include "cpu/backend.hpp"
#include "cpu/kernel_table.hpp"
#include "cpu/kernels/vector_ceilings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

namespace convscale {
namespace {

using ::testing::Each;
using ::testing::SizeIs;
using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

std::atomic<Clock::rep> clock_ns{0};  // loops are plain functions
constexpr Clock::rep kLoopNs = 1'000'000;
constexpr double kFlops64 = 1e6, kFlops32 = 3e6;

Clock::time_point now() { return Clock::time_point(nanoseconds(clock_ns)); }

template <int kFlops>
double take_the_processor(std::int64_t /*rounds*/) {
  clock_ns += kLoopNs;
  return kFlops;
}

/// What a thread read.
struct Read {
  std::thread::id thread;
  const std::byte* begin;
  std::int64_t bytes;
};
std::mutex reads_mutex;
std::vector<Read> reads;

double write_down_read(const void* data, std::int64_t bytes, int /*streams*/) {
  clock_ns += kLoopNs;
  const std::scoped_lock lock(reads_mutex);
  reads.push_back({std::this_thread::get_id(), static_cast<const std::byte*>(data), bytes});
  return 1;
}

/// Loops of workers that share one processor: the time that one takes passes for all of them.
constexpr CeilingLoops kLoops{"shared",
                              kIsaBaseline,
                              16,
                              write_down_read,
                              take_the_processor<static_cast<int>(kFlops64)>,
                              take_the_processor<static_cast<int>(kFlops32)>};

/// A pass after those that calibrate; `reads` are those of that pass.
Ceilings ceilings_of(int workers, std::int64_t bytes, Dtype dtype = Dtype::kFloat64) {
  const PageBuffer data(std::max<std::int64_t>(bytes, 1), "test");
  ThreadTeam team(workers);
  CeilingMeter meter(kLoops, team, data.data(), bytes, dtype, now);
  meter.sample();
  reads.clear();
  return meter.sample();
}

/// Workers that take turns on a processor do not add up to more than it can do.
TEST(CeilingMeter, PeakDoesNotGrowWithWorkersThatShareAProcessor) {
  for (const int workers : {1, 2, 8}) {
    EXPECT_DOUBLE_EQ(*ceilings_of(workers, 0).peak_flops_per_s, kFlops64 / (1e-9 * kLoopNs))
        << workers;
    EXPECT_DOUBLE_EQ(*ceilings_of(workers, 0, Dtype::kFloat32).peak_flops_per_s,
                     kFlops32 / (1e-9 * kLoopNs))
        << workers;
  }
}

/// How often each line from `data` on was read.
std::vector<int> times_read(const std::byte* data, std::int64_t bytes) {
  std::vector<int> times(static_cast<std::size_t>(bytes / 64));
  for (const Read& read : reads) {
    EXPECT_EQ(read.bytes % 64, 0);
    const std::int64_t first = (read.begin - data) / 64;
    for (std::int64_t line = first; line < first + read.bytes / 64; ++line)
      ++times.at(static_cast<std::size_t>(line));
  }
  return times;
}

/// The bytes that each thread read.
std::map<std::thread::id, std::int64_t> bytes_of_threads() {
  std::map<std::thread::id, std::int64_t> bytes;
  for (const Read& read : reads) bytes[read.thread] += read.bytes;
  return bytes;
}

TEST(CeilingMeter, RateIsWhatAllWorkersReadInTheTimeOfThePass) {
  for (const std::int64_t kib : {1, 24, 1024, 20 * 1024}) {
    for (const int workers : {1, 2, 8}) {
      const Ceilings ceilings = ceilings_of(workers, kib * 1024);
      std::int64_t bytes = 0;
      for (const Read& read : reads) bytes += read.bytes;
      EXPECT_GE(bytes, 15 << 20) << "so that the clock does not matter";
      EXPECT_DOUBLE_EQ(
          *ceilings.read_bytes_per_s,
          static_cast<double>(bytes) / (1e-9 * kLoopNs * static_cast<double>(reads.size())));
      EXPECT_THAT(bytes_of_threads(), SizeIs(static_cast<std::size_t>(workers)));
    }
  }
}

TEST(CeilingMeter, EveryLineIsReadByAllWorkersTogetherAndAsOftenAsTheOthers) {
  for (const int lines : {16, 1000, 16385, 270000}) {
    for (const int workers : {1, 3, 8}) {
      const PageBuffer data(lines * 64, "test");
      ThreadTeam team(workers);
      CeilingMeter meter(kLoops, team, data.data(), lines * 64 + 63, Dtype::kFloat64, now);
      meter.sample();
      reads.clear();
      meter.sample();
      const std::vector<int> times = times_read(data.data(), lines * 64);
      EXPECT_EQ(times, std::vector<int>(times.size(), std::max(1, (16 << 20) / (lines * 64))));
      for (const auto& [thread, bytes] : bytes_of_threads()) {
        EXPECT_GE(bytes, times[0] * (lines / workers) * 64) << "an even share";
        EXPECT_LE(bytes, times[0] * (lines / workers + 1) * 64) << "an even share";
      }
    }
  }
}

TEST(CeilingMeter, WorkersWithoutALineDoNotCount) {
  ceilings_of(8, 3 * 64);
  EXPECT_THAT(bytes_of_threads(), SizeIs(3));
  EXPECT_FALSE(ceilings_of(8, 63).read_bytes_per_s);
}

TEST(CeilingMeter, KnowsTheBestReadOfEachWorker) {
  const PageBuffer data(1 << 20, "test");
  ThreadTeam team(3);
  CeilingMeter meter(kLoops, team, data.data(), data.bytes(), Dtype::kFloat64);
  EXPECT_THAT(meter.best_reads_per_s(), SizeIs(0));
  meter.sample();
  const std::vector<double> before(meter.best_reads_per_s().begin(),
                                   meter.best_reads_per_s().end());
  ASSERT_THAT(before, SizeIs(3));
  for (int pass = 0; pass < 5; ++pass) meter.sample();
  for (std::size_t worker = 0; worker < 3; ++worker) {
    EXPECT_GT(before[worker], 0);
    EXPECT_GE(meter.best_reads_per_s()[worker], before[worker]);
  }
}

/// The backend's own workers read all of the very buffer that they convolve.
TEST(CpuBackend, CeilingsReadAllImagesWithAllWorkers) {
  for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
    for (const int workers : {1, 3, 7}) {
      Config config;
      config.shape = {.images = 5, .height = 41, .width = 61, .filter_size = 4, .stride = 5};
      config.dtype = dtype;
      config.num_workers = workers;
      const auto bytes = [&](std::int64_t elements) {
        return config.shape.images * elements * size_of(dtype);
      };
      const PageBuffer images(bytes(config.shape.pixels()), "images"),
          filters(bytes(config.shape.taps()), "filters"),
          results(bytes(config.shape.outputs()), "results");
      const auto backend = make_cpu_backend(config, {}, cpu_kernels(), kLoops);
      backend->prepare({images.data(), filters.data(), results.data()});
      backend->measure_ceilings();
      reads.clear();
      backend->measure_ceilings();
      const std::int64_t lines = bytes(config.shape.pixels()) / 64;
      const std::vector<int> times = times_read(images.data(), lines * 64);
      EXPECT_GE(times[0], 1);
      EXPECT_THAT(times, Each(times[0]));
      EXPECT_THAT(bytes_of_threads(), SizeIs(static_cast<std::size_t>(workers)));
    }
  }
}

/// A vector of two elements whose operations are counted.
struct Counting {
  using Element = double;
  struct Register {
    double lane[2];
  };
  static constexpr int kLanes = 2;
  static inline std::int64_t multiply_adds = 0;

  static Register zero() { return {}; }
  static Register broadcast(double x) { return {{x, x}}; }
  static Register load(const double* p) { return {{p[0], p[1]}}; }
  static Register add(Register a, Register b) {
    return {{a.lane[0] + b.lane[0], a.lane[1] + b.lane[1]}};
  }
  static Register fma(Register a, Register b, Register c) {
    ++multiply_adds;
    return {{a.lane[0] * b.lane[0] + c.lane[0], a.lane[1] * b.lane[1] + c.lane[1]}};
  }
  static double sum(Register v) { return v.lane[0] + v.lane[1]; }
};

TEST(CeilingLoops, FlopsAreTwoForEachMultiplyAddOfALane) {
  for (const std::int64_t rounds : {1, 2, 1000}) {
    Counting::multiply_adds = 0;
    const double flops = fma<Counting>(rounds);
    EXPECT_EQ(flops, 2.0 * Counting::kLanes * static_cast<double>(Counting::multiply_adds));
    EXPECT_GE(Counting::multiply_adds, rounds);
  }
}

class CeilingLoopsOf : public ::testing::TestWithParam<const CeilingLoops*> {
 protected:
  void SetUp() override {
    const std::string missing = missing_isa(GetParam()->isa, instruction_sets());
    if (!missing.empty()) GTEST_SKIP() << "this processor has no " << missing;
  }
};
INSTANTIATE_TEST_SUITE_P(Cpu, CeilingLoopsOf,
                         ::testing::ValuesIn(cpu_ceiling_loops().begin(),
                                             cpu_ceiling_loops().end()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST_P(CeilingLoopsOf, FlopsAreThoseOfTheirVectors) {
  const double flops_of_one = GetParam()->fma_float64(1);
  for (const std::int64_t rounds : {1, 5, 1000}) {
    const double flops = GetParam()->fma_float64(rounds);
    EXPECT_EQ(flops, static_cast<double>(rounds) * flops_of_one);
    EXPECT_EQ(GetParam()->fma_float32(rounds), 2 * flops) << "twice as many lanes";
  }
  const double vectors = flops_of_one / 2 / (GetParam()->vector_bytes / 8);
  EXPECT_EQ(vectors, std::floor(vectors));
  EXPECT_GE(vectors, 8) << "too few for two units of latency 4";
}

/// The sum that comes back has each element once. The integers are such that no other choice of so
/// many of them is likely to give it.
TEST_P(CeilingLoopsOf, ReadEachElementOnce) {
  constexpr std::int64_t kCount = 8 * 1024 * 3 + 8 * 17;
  PageBuffer data(kCount * 8, "test");
  std::uint64_t state = 1;
  for (double& x : data.as<double>()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<double>(state >> 34);  // 30 bits: sums are exact
  }
  for (const int streams : {1, 2, 4, 8}) {
    for (const std::int64_t count : {std::int64_t{8}, std::int64_t{1024}, std::int64_t{8 * 1024},
                                     std::int64_t{8 * 1024 + 8}, kCount}) {
      const auto elements = data.as<double>().first(static_cast<std::size_t>(count));
      EXPECT_EQ(GetParam()->read(elements.data(), count * 8, streams),
                std::accumulate(elements.begin(), elements.end(), 0.0))
          << streams << " streams, " << count;
    }
  }
}

}  // namespace
}  // namespace convscale
