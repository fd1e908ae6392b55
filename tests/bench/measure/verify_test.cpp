// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/verify.hpp"

#include "bench/data/workload.hpp"
#include "common/digest.hpp"
#include "common/generator.hpp"
#include "common/thread_team.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// A workload and its results, summed in T, from the last tap to the first.
template <class T>
struct Case {
  explicit Case(const Shape& s, Fill fill = Fill::kRandom, std::uint64_t seed = 1)
      : shape(s),
        images(static_cast<std::size_t>(s.images * s.pixels())),
        filters(static_cast<std::size_t>(s.images * s.taps())),
        results(static_cast<std::size_t>(s.images * s.outputs())) {
    ThreadTeam team(2);
    Workload(s, fill, seed).fill(images.data(), filters.data(), team);
    convolve();
  }

  void convolve() {
    const Shape& s = shape;
    const Axis down = s.rows(), across = s.columns();
    for (std::int64_t n = 0; n < s.images; ++n) {
      for (std::int64_t i = 0; i < s.out_height(); ++i) {
        for (std::int64_t j = 0; j < s.out_width(); ++j) {
          T sum = 0;
          for (std::int64_t a = down.filter - 1; a >= 0; --a) {
            for (std::int64_t b = across.filter - 1; b >= 0; --b) {
              const std::int64_t y = down.origin + i * s.stride - a;
              const std::int64_t x = across.origin + j * s.stride - b;
              if (y < 0 || y >= s.height || x < 0 || x >= s.width) continue;
              sum += images[static_cast<std::size_t>(n * s.pixels() + y * s.width + x)] *
                     filters[static_cast<std::size_t>(n * s.taps() + a * across.filter + b)];
            }
          }
          at(n, i, j) = sum;
        }
      }
    }
  }

  T& at(std::int64_t image, std::int64_t row, std::int64_t column) {
    return results[static_cast<std::size_t>(image * shape.outputs() + row * shape.out_width() +
                                            column)];
  }

  Verification check(int threads = 2, const KeepGoing& keep_going = {}) const {
    ThreadTeam team(threads);
    return verify(shape, images.data(), filters.data(), results.data(), team, keep_going);
  }

  Shape shape;
  std::vector<T> images, filters, results;
};

constexpr Shape kShape{.images = 3, .height = 40, .width = 33, .filter_size = 4, .stride = 3};

template <class T>
class Verify : public ::testing::Test {};
using Types = ::testing::Types<double, float>;
TYPED_TEST_SUITE(Verify, Types);

TYPED_TEST(Verify, RightResultsPass) {
  const Verification v = Case<TypeParam>(kShape, Fill::kRandom, testing::test_seed()).check();
  EXPECT_EQ(v.status, VerificationStatus::kPassed);
  EXPECT_EQ(v.outputs, kShape.images * kShape.outputs());
  EXPECT_GT(v.max_error_of_bound, 0);
  EXPECT_LT(v.max_error_of_bound, 1);
  EXPECT_EQ(v.failure, "");
}

TYPED_TEST(Verify, ExactResultsHaveNoError) {
  EXPECT_EQ(Case<TypeParam>(kShape, Fill::kIntegers).check().max_error_of_bound, 0);
  const Verification zeros = Case<TypeParam>(kShape, Fill::kZeros).check();
  EXPECT_EQ(zeros.status, VerificationStatus::kPassed);
  EXPECT_EQ(zeros.max_error_of_bound, 0);
}

TYPED_TEST(Verify, OneWrongOutputFailsAndIsNamed) {
  Case<TypeParam> c(kShape, Fill::kIntegers);
  const auto right = static_cast<double>(c.at(2, 7, 5));
  c.at(2, 7, 5) += 1;
  const Verification v = c.check();
  EXPECT_EQ(v.status, VerificationStatus::kFailed);
  EXPECT_GT(v.max_error_of_bound, 1);
  EXPECT_TRUE(std::isfinite(v.max_error_of_bound));
  EXPECT_EQ(v.outputs, kShape.images * kShape.outputs());
  EXPECT_THAT(v.failure, AllOf(HasSubstr("image 2"), HasSubstr("(7, 5)"),
                               HasSubstr("got " + std::to_string(static_cast<int>(right) + 1)),
                               HasSubstr("expected " + std::to_string(static_cast<int>(right)))));
}

TYPED_TEST(Verify, TheBoundIsTheOneThatIsDocumented) {
  // One pixel 3, one tap 5: |got - 15| <= 1 * eps * 15, so that one eps * 8 (an ulp of 15) passes
  // and two do not.
  Case<TypeParam> c({.images = 1, .height = 1, .width = 1, .filter_size = 1, .stride = 1});
  c.images[0] = 3;
  c.filters[0] = 5;
  constexpr auto kEps = std::numeric_limits<TypeParam>::epsilon();
  c.results[0] = 15 + 8 * kEps;
  const Verification passed = c.check();
  EXPECT_EQ(passed.status, VerificationStatus::kPassed);
  EXPECT_NEAR(passed.max_error_of_bound, 8.0 / 15, 1e-9);
  c.results[0] = 15 + 16 * kEps;
  const Verification failed = c.check();
  EXPECT_EQ(failed.status, VerificationStatus::kFailed);
  EXPECT_NEAR(failed.max_error_of_bound, 16.0 / 15, 1e-9);
}

TYPED_TEST(Verify, AnUnwrittenOutputFails) {
  Case<TypeParam> c(kShape);
  c.at(1, 0, 3) = poison_value<TypeParam>();
  const Verification v = c.check();
  EXPECT_EQ(v.status, VerificationStatus::kFailed);
  EXPECT_THAT(v.failure, AllOf(HasSubstr("image 1"), HasSubstr("(0, 3)"), HasSubstr("never")));
}

TYPED_TEST(Verify, AnUnwrittenOutputFailsWhereANanIsExpectedToo) {
  Case<TypeParam> c(kShape);
  c.images[0] = std::numeric_limits<TypeParam>::quiet_NaN();
  c.convolve();
  EXPECT_EQ(c.check().status, VerificationStatus::kPassed);
  c.at(0, 0, 0) = poison_value<TypeParam>();
  EXPECT_EQ(c.check().status, VerificationStatus::kFailed);
}

TYPED_TEST(Verify, NanAndInfinitiesMustMatchInKind) {
  constexpr TypeParam nan = std::numeric_limits<TypeParam>::quiet_NaN();
  constexpr TypeParam infinity = std::numeric_limits<TypeParam>::infinity();
  const auto passes = [&](TypeParam pixel, TypeParam result) {
    Case<TypeParam> c({.images = 1, .height = 1, .width = 1, .filter_size = 1, .stride = 1});
    c.images[0] = pixel;
    c.filters[0] = 1;
    c.results[0] = result;
    const Verification v = c.check(1);
    EXPECT_TRUE(v.max_error_of_bound == 0 || std::isinf(v.max_error_of_bound));
    return v.status == VerificationStatus::kPassed;
  };
  EXPECT_TRUE(passes(nan, nan));
  EXPECT_TRUE(passes(nan, -nan));
  EXPECT_TRUE(passes(infinity, infinity));
  EXPECT_TRUE(passes(-infinity, -infinity));
  EXPECT_FALSE(passes(nan, 1));
  EXPECT_FALSE(passes(1, nan));
  EXPECT_FALSE(passes(nan, infinity));
  EXPECT_FALSE(passes(infinity, nan));
  EXPECT_FALSE(passes(infinity, -infinity));
  EXPECT_FALSE(passes(infinity, std::numeric_limits<TypeParam>::max()));
  EXPECT_FALSE(passes(1, infinity));
}

TYPED_TEST(Verify, DenormalDataDoNotFail) {
  Case<TypeParam> c(kShape, Fill::kRandom, testing::test_seed());
  for (TypeParam& pixel : c.images) pixel *= std::numeric_limits<TypeParam>::min();
  c.convolve();  // products and sums round at denorm_min, far over eps of themselves
  EXPECT_EQ(c.check().status, VerificationStatus::kPassed);
  c.at(0, 1, 1) += std::numeric_limits<TypeParam>::min();
  EXPECT_EQ(c.check().status, VerificationStatus::kFailed);
}

TYPED_TEST(Verify, EveryOutputIsLookedAt) {
  // Several bands an image, the last one short.
  const Shape s{.images = 2, .height = 300, .width = 259, .filter_size = 1, .stride = 1};
  Case<TypeParam> c(s, Fill::kIntegers);
  std::mt19937_64 random(testing::test_seed());
  std::vector<std::size_t> places{0, c.results.size() / 2 - 1, c.results.size() / 2,
                                  c.results.size() - 1};
  for (int i = 0; i < 20; ++i) places.push_back(random() % c.results.size());
  for (const std::size_t place : places) {
    c.results[place] += 1;
    const Verification v = c.check();
    c.results[place] -= 1;
    const auto image = place / static_cast<std::size_t>(s.outputs());
    const auto output = place % static_cast<std::size_t>(s.outputs());
    ASSERT_THAT(v.failure, HasSubstr("image " + std::to_string(image) + ", output (" +
                                     std::to_string(output / 259) + ", " +
                                     std::to_string(output % 259) + ")"));
  }
  EXPECT_EQ(c.check().status, VerificationStatus::kPassed);
}

TYPED_TEST(Verify, TheWorstOutputIsNamedForAnyNumberOfThreads) {
  Case<TypeParam> c({.images = 4, .height = 300, .width = 259, .filter_size = 1, .stride = 1},
                    Fill::kIntegers);
  std::fill(c.images.begin(), c.images.end(), TypeParam(1));
  std::fill(c.filters.begin(), c.filters.end(), TypeParam(1));
  c.convolve();
  c.at(0, 10, 10) += 1;
  c.at(2, 20, 20) += 3;
  c.at(3, 299, 258) += 2;
  const Verification one = c.check(1), three = c.check(3);
  EXPECT_THAT(one.failure, AllOf(HasSubstr("image 2"), HasSubstr("(20, 20)")));
  EXPECT_EQ(one.failure, three.failure);
  EXPECT_EQ(one.max_error_of_bound, three.max_error_of_bound);
  EXPECT_EQ(one.outputs, three.outputs);
}

TYPED_TEST(Verify, OfEquallyBadOutputsTheFirstIsNamedForAnyNumberOfThreads) {
  // Nothing was written: all errors are infinite. The second band of each image is one row only,
  // so that with several threads it is done before the first.
  Case<TypeParam> c({.images = 3, .height = 250, .width = 121, .filter_size = 8, .stride = 1});
  std::fill(c.results.begin(), c.results.end(), poison_value<TypeParam>());
  for (int round = 0; round < 10; ++round) {
    for (const int threads : {1, 2, 3}) {
      ASSERT_THAT(c.check(threads).failure, AllOf(HasSubstr("image 0"), HasSubstr("(0, 0)")))
          << threads << " threads";
    }
  }
}

TYPED_TEST(Verify, StopsWhenAsked) {
  Case<TypeParam> c(kShape);
  c.at(0, 0, 0) = poison_value<TypeParam>();
  const Verification v = c.check(2, [](double) { return false; });
  EXPECT_EQ(v.status, VerificationStatus::kSkipped);
  EXPECT_EQ(v.outputs, 0);
  EXPECT_EQ(v.failure, "");
}

TYPED_TEST(Verify, TellsHowFarItIs) {
  const Case<TypeParam> c(kShape);
  std::vector<double> told;  // one at a time: the calls come under a lock
  EXPECT_EQ(c.check(3,
                    [&](double done) {
                      told.push_back(done);
                      return true;
                    })
                .status,
            VerificationStatus::kPassed);
  ASSERT_EQ(told.size(), 3u);  // a band an image
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_DOUBLE_EQ(told.front(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(told.back(), 1);
}

TEST(VerifyOverflow, AnErrorThatOverflowsFails) {
  // Expected -1.7e308 and magnitude beyond float64: the bound is infinite, the error too.
  Case<double> c({.images = 1, .height = 1, .width = 3, .filter_size = 3, .stride = 1});
  const double huge = std::numeric_limits<double>::max();
  std::fill(c.filters.begin(), c.filters.end(), 1.0);
  c.images = {-huge, huge, -huge};
  c.convolve();
  EXPECT_EQ(c.check(1).status, VerificationStatus::kPassed);
  c.at(0, 0, 2) = huge;
  EXPECT_EQ(c.check(1).status, VerificationStatus::kFailed);
}

TEST(VerifyOverflow, FinitePixelsThatOverflowMayComeOutAnyhow) {
  // 1e308 * 4 - 1e308 * 4: infinite, NaN or 0, as the order of the sum wants it.
  const Shape s{.images = 1, .height = 1, .width = 2, .filter_size = 2, .stride = 1};
  const std::vector<double> image{1e308, 1e308}, filter{4, -4, 0, 0};
  ThreadTeam team(1);
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double middle : {infinity, -infinity, nan}) {
    const std::vector<double> results{infinity, middle, -infinity, 0, 0, 0};
    EXPECT_EQ(verify(s, image.data(), filter.data(), results.data(), team).status,
              VerificationStatus::kPassed);
  }
  // An infinite pixel is no overflow: what comes of it is known.
  const std::vector<double> infinite{infinity, 0};
  const std::vector<double> wrong{-infinity, nan, 0, nan, nan, 0};
  EXPECT_EQ(verify(s, infinite.data(), filter.data(), wrong.data(), team).status,
            VerificationStatus::kFailed);
}

Verification found(VerificationStatus status, std::int64_t outputs, double error,
                   const std::string& failure = "") {
  return {status, outputs, error, failure};
}

TEST(Merged, SumsWhatProcessesFound) {
  const auto passed = found(VerificationStatus::kPassed, 10, 0.25);
  const auto sum = merged({passed, std::nullopt, found(VerificationStatus::kPassed, 5, 0.5)});
  EXPECT_EQ(sum.status, VerificationStatus::kPassed);
  EXPECT_EQ(sum.outputs, 15);
  EXPECT_EQ(sum.max_error_of_bound, 0.5);

  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  const auto failed = merged({passed, found(VerificationStatus::kFailed, 5, 3, "small"),
                              found(VerificationStatus::kFailed, 5, kInfinite, "large")});
  EXPECT_EQ(failed.status, VerificationStatus::kFailed);
  EXPECT_EQ(failed.failure, "large");
  EXPECT_EQ(failed.max_error_of_bound, kInfinite);

  EXPECT_EQ(merged({passed, found(VerificationStatus::kSkipped, 0, 0), passed}).status,
            VerificationStatus::kSkipped);
}

}  // namespace
}  // namespace convscale
