// SPDX-License-Identifier: Apache-2.0
// Workers look between images and bands whether they are to stop: an interrupt does not wait for
// the end of an iteration.
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/thread_team.hpp"
#include "cpu/backend.hpp"
#include "cpu/ceilings.hpp"
#include "cpu/kernel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace convscale {
namespace {

std::atomic<std::int64_t> rows_computed{0};
std::atomic<int> odd_calls{0};  // of no whole group of rows
std::atomic<std::int64_t> rows_until_stop{0};

bool is_to_stop() { return rows_computed >= rows_until_stop; }

template <class T>
void count_full_rows(const Image<T>&, std::int64_t begin, std::int64_t end, T*, std::int64_t) {
  rows_computed += end - begin;
  if ((end - begin) % kRowGroup != 0) ++odd_calls;
}

template <class T>
void count_strided_rows(const Image<T>&, std::int64_t begin, std::int64_t end, T*) {
  rows_computed += end - begin;
  if ((end - begin) % kRowGroup != 0) ++odd_calls;
}

constexpr RowKernel kCounting{"counting",
                              "counts its rows",
                              kIsaBaseline,
                              {count_full_rows<double>, count_strided_rows<double>},
                              {count_full_rows<float>, count_strided_rows<float>}};

/// The rows that are computed in one iteration where a stop is asked for after `until` of them.
std::int64_t rows_of_iteration(const Config& config, std::int64_t until,
                               const std::array<Kernel, 1>& kernels = {as_kernel(kCounting)}) {
  const auto backend = make_cpu_backend(config, {.stop = is_to_stop}, kernels);
  const auto buffer = [&](std::int64_t elements) {
    return PageBuffer(config.shape.images * elements * size_of(config.dtype), "test");
  };
  const PageBuffer images = buffer(config.shape.pixels()), filters = buffer(config.shape.taps()),
                   results = buffer(config.shape.outputs());
  rows_computed = 0;
  odd_calls = 0;
  rows_until_stop = until;
  backend->prepare({images.data(), filters.data(), results.data()});
  backend->wait(backend->start({0, config.shape.images}));
  return rows_computed;
}

Config config_of(Schedule schedule, Method method) {
  Config config;
  config.kernel = "counting";
  config.num_workers = 2;
  config.bind = Bind::kNone;
  config.schedule = schedule;
  config.method = method;
  return config;
}

TEST(Stop, OfWorkersComesBetweenImages) {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    for (const Method method : {Method::kFull, Method::kStrided}) {
      Config config = config_of(schedule, method);
      config.shape = {.images = 1000, .height = 20, .width = 20, .filter_size = 4, .stride = 5};
      const std::int64_t all = rows_of_iteration(config, std::int64_t{1} << 40);
      EXPECT_GE(all, 5000);
      const std::int64_t stopped = rows_of_iteration(config, 100);
      EXPECT_GE(stopped, 100);
      EXPECT_LT(stopped, 250) << "an image more for each worker";
    }
  }
}

TEST(Stop, OfWorkersComesBetweenTheBandsOfAnImage) {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    for (const Method method : {Method::kFull, Method::kStrided}) {
      for (const std::int64_t stride : {1, 3}) {
        Config config = config_of(schedule, method);
        config.shape = {
            .images = 2, .height = 2000, .width = 300, .filter_size = 31, .stride = stride};
        EXPECT_LT(rows_of_iteration(config, 1), 600) << "of 4060, or 1354";
      }
    }
  }
}

/// What is left of a group is slower: only the end of a worker's part may be that.
TEST(Stop, PiecesAreWholeGroupsOfRows) {
  for (const Method method : {Method::kFull, Method::kStrided}) {
    for (const std::int64_t stride : {1, 2, 3, 7}) {
      for (const std::int64_t width : {100, 1000, 9000}) {
        Config config = config_of(Schedule::kStatic, method);
        config.shape = {
            .images = 2, .height = 120, .width = width, .filter_size = 31, .stride = stride};
        const Shape& s = config.shape;
        EXPECT_EQ(rows_of_iteration(config, std::int64_t{1} << 40),
                  2 * (method == Method::kStrided ? s.out_height()
                       : stride == 1              ? s.dense_height()
                                     : std::min(s.out_height() * stride, s.dense_height())));
        EXPECT_LE(odd_calls, 2) << "of an image one: " << stride << " " << width;
      }
    }
  }
}

/// Some libraries do whole images only, and transform them.
class WholeImages final : public Plan {
 public:
  explicit WholeImages(const Request& request) : rows_(request.shape.out_height()) {}
  std::int64_t scratch_bytes() const override { return 5; }
  bool direct() const override { return false; }
  std::string path() const override { return "dft"; }
  void run(const Piece& piece) override {
    EXPECT_EQ(piece.row_begin, 0);
    EXPECT_EQ(piece.row_end, rows_);
    *piece.scratch = std::byte{1};
    ++rows_computed;
  }

 private:
  std::int64_t rows_;
};

TEST(WholeImageKernel, GetsWholeImagesAndItsFactsAreThoseOfItsPlan) {
  const std::array<Kernel, 1> kernels{Kernel{
      .name = "counting",
      .description = "counts its images",
      .refuses = [](const Request& r) { return r.whole_images ? "" : "it does whole images only"; },
      .plan = [](const Request& r) { return std::make_unique<WholeImages>(r); }}};
  Config config = config_of(Schedule::kStatic, Method::kFull);
  config.shape = {.images = 3, .height = 2000, .width = 300, .filter_size = 31, .stride = 3};
  EXPECT_EQ(rows_of_iteration(config, std::int64_t{1} << 40, kernels), 3) << "images";
  const auto backend = make_cpu_backend(config, {.stop = is_to_stop}, kernels);
  EXPECT_EQ(backend->needs().scratch_bytes, 2 * 5);
  EXPECT_FALSE(backend->facts().direct);
  EXPECT_EQ(backend->facts().path, "dft");
  config.schedule = Schedule::kSplit;
  EXPECT_THROW(make_cpu_backend(config, {.stop = is_to_stop}, kernels), UnsupportedError);
}

TEST(Stop, EndsTheRepeatsOfAWorkTime) {
  Config config = config_of(Schedule::kStatic, Method::kStrided);
  config.shape = {.images = 2, .height = 20, .width = 20, .filter_size = 4, .stride = 5};
  config.work_time_s = 1e6;
  EXPECT_LT(rows_of_iteration(config, 100), 200);
}

std::atomic<std::int64_t> bytes_read{0};

double count_read(const void*, std::int64_t bytes, int) {
  bytes_read += bytes;
  return 1;
}

double no_fma(std::int64_t rounds) { return static_cast<double>(rounds); }

TEST(Stop, EndsPassesOfTheCeilings) {
  constexpr CeilingLoops kLoops{.name = "counting",
                                .isa = kIsaBaseline,
                                .vector_bytes = 8,
                                .read = count_read,
                                .fma_float64 = no_fma,
                                .fma_float32 = no_fma};
  constexpr std::int64_t kBytes = std::int64_t{64} << 30;  // nobody touches them
  ThreadTeam team(2);
  bytes_read = 0;
  CeilingMeter meter(kLoops, team, nullptr, kBytes, Dtype::kFloat64, CeilingMeter::Clock::now,
                     [] { return bytes_read > 0; });
  meter.sample();
  EXPECT_GT(bytes_read, 0);
  EXPECT_LE(bytes_read, std::int64_t{2} << 30) << "a piece for each worker";
}

}  // namespace
}  // namespace convscale
