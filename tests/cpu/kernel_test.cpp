// SPDX-License-Identifier: Apache-2.0
// Every kernel of the table against the definition, for both dtypes.
#include "common/error.hpp"
#include "common/host.hpp"
#include "cpu/convolve.hpp"
#include "cpu/guarded_array.hpp"
#include "cpu/kernel_table.hpp"
#include "cpu/naive.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

namespace convscale {
namespace {

using testing::GuardedArray;
using testing::Naive;
using testing::naive_convolution;

/// Runs one kernel on one shape at a time and compares everything that it may produce.
template <class T>
class KernelChecker {
 public:
  using At = typename GuardedArray<T>::At;

  /// For images of up to `pixels` pixels, filters of up to `taps` taps and results of up to
  /// `outputs`.
  KernelChecker(const Kernel& kernel, std::int64_t pixels, std::int64_t taps, std::int64_t outputs)
      : operations_(kernel.operations<T>()), pixels_(pixels), taps_(taps), outputs_(outputs) {}

  /// The image and filter of the next checks.
  void set_data(const std::vector<T>& image, const std::vector<T>& filter, const Shape& shape) {
    image_ = image;
    filter_ = filter;
    expected_ = naive_convolution(shape, image.data(), filter.data());
  }

  /// Rows row_begin..row_end of the full convolution, `gap` elements between rows.
  void check_full_rows(const Shape& s, std::int64_t row_begin, std::int64_t row_end,
                       std::int64_t gap, At at) {
    const std::int64_t pitch = s.full_width() + gap;
    const std::int64_t count = (row_end - row_begin - 1) * pitch + s.full_width();
    const std::span<T> out = poisoned(count, at);
    operations_.full_rows(placed(s, at), row_begin, row_end, out.data(), pitch);
    for (std::int64_t y = row_begin; y < row_end; ++y) {
      for (std::int64_t x = 0; x < pitch && (y + 1 < row_end || x < s.full_width()); ++x) {
        const T got = out[static_cast<std::size_t>((y - row_begin) * pitch + x)];
        if (x >= s.full_width()) {
          ASSERT_EQ(got, kGuard) << "written between rows: " << describe(s, "full_rows", y, x);
        } else {
          check_output(s, got, y, x, "full_rows");
        }
      }
    }
  }

  void check_strided_rows(const Shape& s, std::int64_t row_begin, std::int64_t row_end, At at) {
    const std::span<T> out = poisoned((row_end - row_begin) * s.out_width(), at);
    operations_.strided_rows(placed(s, at), row_begin, row_end, out.data());
    check_kept(s, out, row_begin, row_end, "strided_rows");
  }

  void check_convolve_full(const Shape& s, std::int64_t row_begin, std::int64_t row_end, At at) {
    const std::span<T> out = poisoned((row_end - row_begin) * s.out_width(), at);
    const ScratchShape scratch_shape = full_scratch(s, sizeof(T));
    const GuardedArray<T> scratch(std::max<std::int64_t>(scratch_shape.elements(), 1));
    convolve_full(operations_, placed(s, at), row_begin, row_end, scratch_shape,
                  scratch.place(scratch_shape.elements(), at).data(), out.data());
    check_kept(s, out, row_begin, row_end, "convolve_full");
  }

  void check_all(const Shape& s, bool with_full_rows = true) {
    for (const At at : {At::kBegin, At::kEnd}) {
      // Full rows are the same for every stride: one end in turn will do for the others.
      if (with_full_rows) check_full_rows(s, 0, s.full_height(), at == At::kBegin ? 0 : 3, at);
      check_strided_rows(s, 0, s.out_height(), at);
      if (with_full_rows || (s.stride % 2 == 0) == (at == At::kEnd))
        check_convolve_full(s, 0, s.out_height(), at);
    }
  }

 private:
  static constexpr T kGuard = T(-12345.5);

  Image<T> placed(const Shape& s, At at) const {
    const std::span<T> pixels = pixels_.place(std::ssize(image_), at);
    const std::span<T> taps = taps_.place(std::ssize(filter_), at);
    std::copy(image_.begin(), image_.end(), pixels.begin());
    std::copy(filter_.begin(), filter_.end(), taps.begin());
    return {pixels.data(), s.height, s.width, taps.data(), s.filter_size, s.stride};
  }

  std::span<T> poisoned(std::int64_t count, At at) const {
    const std::span<T> out = outputs_.place(count, at);
    std::fill(out.begin(), out.end(), kGuard);
    return out;
  }

  void check_kept(const Shape& s, std::span<const T> out, std::int64_t row_begin,
                  std::int64_t row_end, const char* what) const {
    for (std::int64_t i = row_begin; i < row_end; ++i) {
      for (std::int64_t j = 0; j < s.out_width(); ++j) {
        check_output(s, out[static_cast<std::size_t>((i - row_begin) * s.out_width() + j)],
                     i * s.stride, j * s.stride, what);
      }
    }
  }

  void check_output(const Shape& s, T got, std::int64_t y, std::int64_t x, const char* what) const {
    const auto at = static_cast<std::size_t>(y * s.full_width() + x);
    ASSERT_TRUE(testing::is_close(got, expected_.sum[at], expected_.magnitude[at], s.taps()))
        << describe(s, what, y, x) << ": got " << got << ", expected " << expected_.sum[at];
  }

  static std::string describe(const Shape& s, const char* what, std::int64_t y, std::int64_t x) {
    return std::string(what) + " of " + std::to_string(s.height) + "x" + std::to_string(s.width) +
           ", K " + std::to_string(s.filter_size) + ", S " + std::to_string(s.stride) + ", at (" +
           std::to_string(y) + ", " + std::to_string(x) + ")";
  }

  const Operations<T>& operations_;
  GuardedArray<T> pixels_, taps_, outputs_;
  std::vector<T> image_, filter_;
  Naive expected_;
};

template <class T>
std::vector<T> random_values(std::mt19937_64& random, std::int64_t count, T low, T high) {
  std::uniform_real_distribution<T> values(low, high);
  std::vector<T> out(static_cast<std::size_t>(count));
  for (T& value : out) value = values(random);
  return out;
}

class KernelTest : public ::testing::TestWithParam<const Kernel*> {
 protected:
  void SetUp() override {
    const std::string missing = missing_isa(GetParam()->isa, instruction_sets());
    if (!missing.empty()) GTEST_SKIP() << "this processor has no " << missing;
  }

  template <class Body>
  void for_each_dtype(Body&& body) {
    body.template operator()<double>();
    body.template operator()<float>();
  }
};

INSTANTIATE_TEST_SUITE_P(Cpu, KernelTest,
                         ::testing::ValuesIn(cpu_kernels().begin(), cpu_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST_P(KernelTest, AllSmallShapes) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    constexpr std::int64_t kSide = 12, kSize = 5, kStride = 6;
    KernelChecker<T> checker(*GetParam(), kSide * kSide, kSize * kSize, 2 * 16 * 16 + 3 * 16);
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

/// What is drawn at random may leave out a size or a stride for weeks.
TEST_P(KernelTest, EveryFilterSizeWithEveryStride) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    for (std::int64_t k = 1; k <= 31; ++k) {
      // Large enough for a group of rows whose windows lie inside, and for sixteen such windows in
      // a row; of all remainders of a vector.
      Shape s{.images = 1, .height = k + 8, .width = 230 + 5 * k % 64, .filter_size = k};
      KernelChecker<T> checker(*GetParam(), s.pixels(), s.taps(),
                               s.full_height() * (s.full_width() + 3));
      checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                       random_values<T>(random, s.taps(), -1, 1), s);
      for (s.stride = 1; s.stride <= 12; ++s.stride) {
        checker.check_all(s, s.stride == 1);
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
    constexpr int kSamples = 24;
    for (int sample = 0; sample < kSamples; ++sample) {
      // Every third has the filter and stride that have paths of their own, every fourth is wide.
      const bool special = sample % 3 == 0;
      const Shape s{.images = 1,
                    .height = between(1, 70),
                    .width = sample % 4 == 0 ? between(100, 700) : between(1, 120),
                    .filter_size = special ? 4 : between(1, 31),
                    .stride = special ? 5 : between(1, 40)};
      KernelChecker<T> checker(*GetParam(), s.pixels(), s.taps(),
                               s.full_height() * (s.full_width() + 3));
      checker.set_data(random_values<T>(random, s.pixels(), -1, 1),
                       random_values<T>(random, s.taps(), -1, 1), s);
      checker.check_all(s);
      const std::int64_t begin = between(0, s.out_height() - 1);
      const std::int64_t end = between(begin + 1, s.out_height());
      checker.check_strided_rows(s, begin, end, GuardedArray<T>::At::kEnd);
      checker.check_convolve_full(s, begin, end, GuardedArray<T>::At::kEnd);
      checker.check_full_rows(s, begin, end, 1, GuardedArray<T>::At::kBegin);
      if (HasFatalFailure()) return;
    }
  });
}

TEST_P(KernelTest, FilterIsFlipped) {
  for_each_dtype([&]<class T>() {
    // An impulse at (1, 1) shows the filter as it is; a correlation would show it turned around.
    const std::vector<T> impulse{0, 0, 0, 0, 1, 0, 0, 0, 0}, filter{1, 2, 3, 4};
    const Image<T> image{impulse.data(), 3, 3, filter.data(), 2, 1};
    std::vector<T> out(16);
    GetParam()->operations<T>().full_rows(image, 0, 4, out.data(), 4);
    const std::vector<T> expected{0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0};
    EXPECT_EQ(out, expected);
    GetParam()->operations<T>().strided_rows(image, 0, 4, out.data());
    EXPECT_EQ(out, expected);
  });
}

/// A pixel that is NaN or infinite must reach exactly the outputs whose windows hold it. A kernel
/// that multiplies pixels outside of a window by zero fails here.
TEST_P(KernelTest, NotANumberReachesItsOwnOutputsOnly) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    const T specials[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                          -std::numeric_limits<T>::infinity()};
    for (const std::int64_t k : {1, 3, 4, 5}) {
      for (const std::int64_t stride : {1, 2, 5, 7}) {
        const Shape s{.images = 1, .height = 13, .width = 150, .filter_size = k, .stride = stride};
        KernelChecker<T> checker(*GetParam(), s.pixels(), s.taps(),
                                 s.full_height() * (s.full_width() + 3));
        for (int repeat = 0; repeat < 20; ++repeat) {
          std::vector<T> image = random_values<T>(random, s.pixels(), -1, 1);
          for (const T special : specials) image[random() % image.size()] = special;
          checker.set_data(image, random_values<T>(random, s.taps(), T(0.5), 1), s);
          checker.check_all(s);
          if (HasFatalFailure()) return;
        }
      }
    }
  });
}

TEST_P(KernelTest, IntegersAreExact) {
  std::mt19937_64 random(testing::test_seed());
  for_each_dtype([&]<class T>() {
    const Shape s{.images = 1, .height = 41, .width = 83, .filter_size = 31, .stride = 1};
    std::vector<T> image(static_cast<std::size_t>(s.pixels())),
        filter(static_cast<std::size_t>(s.taps())),
        out(static_cast<std::size_t>(s.full_height() * s.full_width()));
    for (T& pixel : image) pixel = static_cast<T>(random() % 256);
    for (T& tap : filter) tap = static_cast<T>(static_cast<int>(random() % 17) - 8);
    GetParam()->operations<T>().full_rows({image.data(), s.height, s.width, filter.data(), 31, 1},
                                          0, s.full_height(), out.data(), s.full_width());
    const Naive expected = naive_convolution(s, image.data(), filter.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_EQ(static_cast<double>(out[i]), expected.sum[i]) << "output " << i;
    }
  });
}

TEST(KernelTable, NamesAreUniqueAndAutoTakesTheFirstSupported) {
  const auto kernels = cpu_kernels();
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_STRNE(kernels[i]->name, kernels[j]->name);
  }
  const std::vector<std::string> none, avx2{"avx2", "fma"};
  EXPECT_STREQ(find_kernel("auto", kernels, none).name, "scalar");
  EXPECT_STREQ(find_kernel("eigen", kernels, none).name, "eigen");
#if defined(__x86_64__)
  const std::vector<std::string> all{"avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"};
  EXPECT_STREQ(find_kernel("auto", kernels, all).name, "avx512");
  EXPECT_STREQ(find_kernel("auto", kernels, avx2).name, "avx2");
  EXPECT_STREQ(find_kernel("scalar", kernels, all).name, "scalar");
#endif
}

TEST(KernelTable, MissingInstructionSetsAreNamed) {
  const std::vector<std::string> avx2{"avx2", "fma"}, no_fma{"avx2"};
  EXPECT_EQ(missing_isa(kIsaAvx512, avx2), "avx512f, avx512dq, avx512bw, avx512vl");
  EXPECT_EQ(missing_isa(kIsaAvx2, no_fma), "fma");
  EXPECT_EQ(missing_isa(kIsaAvx2, avx2), "");
  EXPECT_EQ(missing_isa(kIsaBaseline, {}), "");
}

TEST(KernelTable, UnknownKernelIsAUsageErrorAndUnsupportedIsNot) {
  try {
    find_kernel("sse9", cpu_kernels(), {});
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("scalar"), std::string::npos) << error.what();
  }
#if defined(__x86_64__)
  EXPECT_THROW(find_kernel("avx512", cpu_kernels(), {}), UnsupportedError);
#endif
}

}  // namespace
}  // namespace convscale
