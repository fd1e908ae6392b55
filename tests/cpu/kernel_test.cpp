// SPDX-License-Identifier: Apache-2.0
// Every kernel of the table against the definition, for both dtypes.
#include "bench/cli/option_declarations.hpp"
#include "common/buffer.hpp"
#include "cpu/kernel_checker.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace convscale {
namespace {

static_assert(kMaxFilter == kMaxFilterSize, "kernels have arrays of that size");

using testing::GuardedArray;
using testing::KernelChecker;
using testing::naive_convolution;
using testing::random_values;

class KernelTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    const std::string missing = GetParam().missing ? GetParam().missing() : "";
    if (!missing.empty()) GTEST_SKIP() << missing;
  }

  template <class Body>
  void for_each_dtype(Body&& body) {
    body.template operator()<double>();
    body.template operator()<float>();
  }

  /// In one piece, with a stride of 1, by which both methods keep the same.
  template <class T>
  static std::vector<T> convolved(const Shape& s, const std::vector<T>& image,
                                  const std::vector<T>& filter) {
    Request request(s, Method::kFull,
                    sizeof(T) == sizeof(double) ? Dtype::kFloat64 : Dtype::kFloat32);
    if (!why_not(GetParam(), request).empty()) request.method = Method::kStrided;
    const auto plan = GetParam().plan(request);
    std::vector<T> out(static_cast<std::size_t>(s.outputs()));
    const PageBuffer scratch(plan->scratch_bytes(), "scratch");
    plan->run(
        piece_of<T>(image.data(), filter.data(), 0, s.out_height(), out.data(), scratch.data()));
    return out;
  }
};

INSTANTIATE_TEST_SUITE_P(Cpu, KernelTest,
                         ::testing::ValuesIn(cpu_kernels().begin(), cpu_kernels().end()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(KernelTest, AllSmallShapes) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    constexpr std::int64_t kSide = 12, kSize = 7, kStride = 6;
    KernelChecker<T> checker(GetParam(), {1, kSide, kSide, kSize, 1});
    for (std::int64_t height = 1; height <= kSide; ++height) {
      for (std::int64_t width = 1; width <= kSide; ++width) {
        for (std::int64_t k = 1; k <= kSize; ++k) {
          Shape s{.images = 1, .height = height, .width = width, .filter_size = k, .stride = 1};
          checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                           random_values<T>(random, s.taps(), -1, 1), s);
          for (s.stride = 1; s.stride <= kStride; ++s.stride) {
            checker.check_all(s, s.stride == 1);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  });
}

/// Filters that are not square, and the places that each mode keeps outputs from.
TEST_P(KernelTest, AllSmallFiltersInEachMode) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    constexpr std::int64_t kSize = 8, kStride = 5;
    for (std::int64_t height = 1; height <= kSize; ++height) {
      for (std::int64_t width = 1; width <= kSize; ++width) {
        // A row of images has 1 to 48 pixels more than it takes for an output of `valid`.
        Shape s{.images = 1,
                .height = std::uniform_int_distribution<std::int64_t>(height, height + 14)(random),
                .width = width + std::uniform_int_distribution<std::int64_t>(0, 47)(random),
                .filter_size = {height, width},
                .stride = 1};
        KernelChecker<T> checker(GetParam(), s);
        for (const Mode mode : {Mode::kFull, Mode::kSame, Mode::kValid}) {
          s.mode = mode;
          checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                           random_values<T>(random, s.taps(), -1, 1), s);
          for (s.stride = 1; s.stride <= kStride; ++s.stride) {
            checker.check_all(s, s.stride == 1);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  });
}

/// What is drawn at random may leave out a size or a stride for weeks.
TEST_P(KernelTest, EveryFilterSizeWithEveryStride) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    for (std::int64_t k = 1; k <= 31; ++k) {
      // Large enough with a stride of 1 for a group of rows whose windows lie inside, and for
      // sixteen windows in a row; of all remainders of a vector.
      Shape s{.images = 1, .height = k + 10, .width = 240 + 5 * k % 64, .filter_size = k};
      KernelChecker<T> checker(GetParam(), s);
      checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                       random_values<T>(random, s.taps(), -1, 1), s);
      for (s.stride = 1; s.stride <= 12; ++s.stride) {
        checker.check_all(s, s.stride == 1);
        if (HasFatalFailure()) return;
      }
    }
  });
}

/// Blocks, runs, edges and what is left of them, for each way that the vector kernels take: filters
/// in registers, in one slice and in several; one, two and three windows of a column; phases sorted
/// in registers and one by one; higher and wider filters; outputs from the second pixel on.
TEST_P(KernelTest, EveryWidthOfEachWay) {
  struct Way {
    Method method;
    FilterSize k;
    std::int64_t stride;
    Mode mode = Mode::kFull;
  };
  constexpr Way kWays[] = {{Method::kFull, 3, 1},
                           {Method::kFull, 7, 2},
                           {Method::kFull, 9, 1},
                           {Method::kFull, 17, 3},
                           {Method::kStrided, 4, 5},
                           {Method::kStrided, 7, 7},
                           {Method::kStrided, 2, 3},
                           {Method::kStrided, 3, 2},
                           {Method::kStrided, 7, 5},
                           {Method::kStrided, 7, 3},
                           {Method::kStrided, 14, 7},
                           {Method::kStrided, 13, 5},
                           {Method::kStrided, 15, 2},
                           {Method::kStrided, 13, 4},
                           {Method::kStrided, 16, 5},
                           {Method::kStrided, 12, 9},
                           {Method::kStrided, 9, 12},
                           {Method::kFull, {1, 15}, 1},
                           {Method::kFull, {15, 1}, 1},
                           {Method::kFull, {3, 7}, 1},
                           {Method::kFull, {5, 2}, 2},
                           {Method::kStrided, {1, 4}, 5},
                           {Method::kStrided, {9, 2}, 3},
                           {Method::kStrided, {1, 15}, 5},
                           {Method::kStrided, {3, 7}, 5},
                           {Method::kStrided, {7, 5}, 2},
                           {Method::kStrided, {15, 1}, 2},
                           {Method::kStrided, {1, 15}, 2},
                           {Method::kStrided, {3, 11}, 9},
                           {Method::kStrided, {2, 8}, 9},
                           {Method::kStrided, {4, 5}, 5},
                           {Method::kStrided, {31, 1}, 3},
                           {Method::kStrided, {3, 11}, 9, Mode::kSame},
                           {Method::kStrided, {2, 31}, 30, Mode::kValid},
                           {Method::kFull, 4, 1, Mode::kSame},
                           {Method::kFull, 9, 1, Mode::kSame},
                           {Method::kStrided, 4, 5, Mode::kSame},
                           {Method::kStrided, 7, 5, Mode::kSame},
                           {Method::kStrided, 13, 5, Mode::kSame},
                           {Method::kStrided, 15, 2, Mode::kSame},
                           {Method::kStrided, 12, 9, Mode::kSame},
                           {Method::kStrided, 9, 12, Mode::kSame},
                           {Method::kFull, 3, 1, Mode::kValid},
                           {Method::kFull, 7, 1, Mode::kValid},
                           {Method::kStrided, 3, 2, Mode::kValid},
                           {Method::kStrided, 15, 2, Mode::kValid},
                           {Method::kStrided, 9, 12, Mode::kValid}};
  const std::string name = GetParam().name;
  if (name != "avx512" && name != "avx2") GTEST_SKIP() << "it has but one way";
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    constexpr Dtype kDtype = sizeof(T) == sizeof(double) ? Dtype::kFloat64 : Dtype::kFloat32;
    // A block of full has neighbours inside the image from 160 or 240 columns on.
    constexpr std::int64_t kWidest = 290;
    std::set<std::string> paths;
    for (const auto& [method, k, stride, mode] : kWays) {
      // A group of rows whose windows lie inside is among them with a stride of 1.
      Shape s{1, k.height + 10, kWidest, k, stride, mode};
      KernelChecker<T> checker(GetParam(), s);
      for (s.width = mode == Mode::kValid ? k.width : 1; s.width <= kWidest; ++s.width) {
        if (s.width == 141 && method == Method::kStrided) break;
        if (s.width == 141) s.width = 240;
        checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                         random_values<T>(random, s.taps(), -1, 1), s);
        const auto at = s.width % 2 == 0 ? GuardedArray<T>::At::kBegin : GuardedArray<T>::At::kEnd;
        checker.check(s, method, 0, s.out_height(), at);
        if (HasFatalFailure()) return;
        paths.insert(GetParam().plan(Request(s, method, kDtype))->path());
      }
    }
    EXPECT_EQ(paths,
              (std::set<std::string>{"blocks", "gather", "polyphase", "unrolled", "windows"}));
  });
}

/// Phases that are sorted pass through a buffer, a run of columns at a time: one run takes over
/// from another at places of all remainders.
TEST_P(KernelTest, RunsOfSortedColumnsMeet) {
  const std::string name = GetParam().name;
  if (name != "avx512" && name != "avx2") GTEST_SKIP() << "it sorts nothing";
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    for (const auto& [k, stride] : {std::pair{7, 2}, {11, 2}, {13, 3}, {19, 6}}) {
      Shape s{.images = 1, .height = 12, .width = 1460, .filter_size = k, .stride = stride};
      KernelChecker<T> checker(GetParam(), s);
      for (; s.width > 1400; s.width -= 3) {
        checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                         random_values<T>(random, s.taps(), -1, 1), s);
        checker.check(s, Method::kStrided, 0, s.out_height(), GuardedArray<T>::At::kEnd);
        if (HasFatalFailure()) return;
      }
    }
  });
}

TEST_P(KernelTest, SampleOfLargerShapes) {
  std::mt19937_64 random(testing::test_seed());
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for_each_dtype([&]<class T>() {
    constexpr int kSamples = 48;
    for (int sample = 0; sample < kSamples; ++sample) {
      // Every fifth has the default filter and stride, every fourth is wide.
      const bool special = sample % 5 == 0;
      const Shape s{
          .images = 1,
          .height = between(1, 70),
          .width = sample % 4 == 0 ? between(100, 700) : between(1, 120),
          .filter_size = special ? FilterSize(4) : FilterSize(between(1, 31), between(1, 31)),
          .stride = special ? 5 : between(1, 40),
          .mode = static_cast<Mode>(sample % 3)};
      if (s.outputs() == 0) continue;  // of an image that is smaller than the filter
      KernelChecker<T> checker(GetParam(), s);
      checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                       random_values<T>(random, s.taps(), -1, 1), s);
      checker.check_all(s);
      const std::int64_t begin = between(0, s.out_height() - 1);
      checker.check_rows(s, begin, between(begin + 1, s.out_height()), GuardedArray<T>::At::kEnd);
      if (HasFatalFailure()) return;
    }
  });
}

/// A pixel that is NaN or infinite must reach exactly the outputs whose windows hold it. A kernel
/// that multiplies pixels outside of a window by zero fails here, as does one that leaves out taps
/// which are zero, or takes a transform.
TEST_P(KernelTest, NotANumberReachesItsOwnOutputsOnly) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    const T specials[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                          -std::numeric_limits<T>::infinity()};
    for (const FilterSize k : std::initializer_list<FilterSize>{1, 3, 4, 5, 12, {1, 7}, {8, 2}}) {
      for (const std::int64_t stride : {1, 2, 5, 7, 9}) {
        Shape s{.images = 1, .height = 23, .width = 150, .filter_size = k, .stride = stride};
        KernelChecker<T> checker(GetParam(), s);
        for (int repeat = 0; repeat < 21; ++repeat) {
          s.mode = static_cast<Mode>(repeat % 3);
          std::vector<T> image = random_values<T>(random, s.pixels(), -1, 1);
          for (const T special : specials) image[random() % image.size()] = special;
          std::vector<T> filter = random_values<T>(random, s.taps(), T(0.5), 1);
          if (repeat % 2 == 1) filter[random() % filter.size()] = 0;
          checker.set_data(image, filter, s);
          checker.check_all(s);
          if (HasFatalFailure()) return;
        }
      }
    }
  });
}

/// An impulse at (1, 1) shows the filter as it is; a correlation would show it turned around.
TEST_P(KernelTest, FilterIsFlippedAndIntegersAreExact) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    const std::vector<T> impulse{0, 0, 0, 0, 1, 0, 0, 0, 0}, filter{1, 2, 3, 4};
    const std::vector<T> expected{0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0};
    EXPECT_EQ(convolved<T>({1, 3, 3, 2, 1}, impulse, filter), expected);

    const Shape s{.images = 1, .height = 41, .width = 83, .filter_size = 31, .stride = 1};
    std::vector<T> image(static_cast<std::size_t>(s.pixels())),
        taps(static_cast<std::size_t>(s.taps()));
    for (T& pixel : image) pixel = static_cast<T>(random() % 256);
    for (T& tap : taps) tap = static_cast<T>(static_cast<int>(random() % 17) - 8);
    const std::vector<double> sums = naive_convolution(s, image.data(), taps.data()).sum;
    EXPECT_EQ(convolved<T>(s, image, taps), std::vector<T>(sums.begin(), sums.end()));
  });
}

/// Which way a kernel took inside goes into the record.
TEST_P(KernelTest, SaysWhichWayItTakes) {
  const std::string name = GetParam().name;
  const auto path = [&](Method method, FilterSize k, std::int64_t stride) {
    return GetParam().plan(Request({1, 9, 9, k, stride}, method, Dtype::kFloat64))->path();
  };
  if (!why_not(GetParam(), Request({1, 9, 9, 4, 5}, Method::kStrided, Dtype::kFloat64)).empty())
    return;
  const bool is_vector = name == "avx512" || name == "avx2";
  for (const std::int64_t k : {1, 5})
    EXPECT_EQ(path(Method::kFull, k, 5), is_vector ? "unrolled" : "");
  for (const std::int64_t k : {6, 31})
    EXPECT_EQ(path(Method::kFull, k, 5), is_vector ? "blocks" : "");
  if (!is_vector) return;
  EXPECT_EQ(path(Method::kStrided, 4, 1), "unrolled");
  EXPECT_EQ(path(Method::kStrided, 4, 5), "windows");
  EXPECT_EQ(path(Method::kStrided, 7, 7), "windows");
  EXPECT_EQ(path(Method::kStrided, 3, 2), "windows");
  EXPECT_EQ(path(Method::kStrided, 12, 4), "windows");
  EXPECT_EQ(path(Method::kStrided, 7, 2), "polyphase");
  // Of 18 sums, a vector of pixels and taps, 16 registers hold less.
  EXPECT_EQ(path(Method::kStrided, 18, 6), name == "avx512" ? "windows" : "polyphase");
  EXPECT_EQ(path(Method::kStrided, 31, 30), "polyphase");
  EXPECT_EQ(path(Method::kStrided, 8, 8), "gather");
  EXPECT_EQ(path(Method::kFull, {3, 4}, 5), "blocks");
  EXPECT_EQ(path(Method::kStrided, {1, 15}, 5), "windows");
  EXPECT_EQ(path(Method::kStrided, {1, 16}, 5), "polyphase");
  EXPECT_EQ(path(Method::kStrided, {16, 1}, 5), "polyphase");
  EXPECT_EQ(path(Method::kStrided, {9, 2}, 8), "polyphase");
  EXPECT_EQ(path(Method::kStrided, {1, 8}, 8), "gather");
}

TEST(KernelTable, NamesAreUniqueAndOneRunsEverywhere) {
  std::set<std::string> names;
  bool one_is_always_there = false;
  for (const Kernel& kernel : cpu_kernels()) {
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
    one_is_always_there = one_is_always_there || !kernel.missing || kernel.missing().empty();
  }
  EXPECT_TRUE(one_is_always_there);
}

TEST(KernelTable, MissingInstructionSetsAreNamed) {
  const std::vector<std::string> avx2{"avx2", "fma"}, no_fma{"avx2"};
  EXPECT_EQ(missing_isa(kIsaAvx512, avx2), "avx512f, avx512dq, avx512bw, avx512vl");
  EXPECT_EQ(missing_isa(kIsaAvx2, no_fma), "fma");
  EXPECT_EQ(missing_isa(kIsaAvx2, avx2), "");
  EXPECT_EQ(missing_isa(kIsaBaseline, {}), "");
}

}  // namespace
}  // namespace convscale
