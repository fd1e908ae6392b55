// SPDX-License-Identifier: Apache-2.0
#include "bench/data/workload.hpp"

#include "bench/npy_file.hpp"
#include "common/error.hpp"
#include "common/generator.hpp"
#include "common/thread_team.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;

template <class T>
class WorkloadOf : public ::testing::Test {};
using Types = ::testing::Types<double, float>;
TYPED_TEST_SUITE(WorkloadOf, Types);

template <class T>
struct Data {
  explicit Data(const Shape& s)
      : images(static_cast<std::size_t>(s.images * s.pixels()), T(-99)),
        filters(static_cast<std::size_t>(s.images * s.taps()), T(-99)) {}
  std::vector<T> images, filters;
  bool operator==(const Data&) const = default;
};

/// Element by element, as the definition has it.
template <class T>
Data<T> element_by_element(const Shape& s, Fill fill, std::uint64_t seed) {
  Data<T> data(s);
  for (std::int64_t i = 0; i < s.images; ++i) {
    for (std::int64_t e = 0; e < s.pixels(); ++e)
      data.images[static_cast<std::size_t>(i * s.pixels() + e)] =
          generator::pixel<T>(fill, seed, i, e);
    for (std::int64_t e = 0; e < s.taps(); ++e)
      data.filters[static_cast<std::size_t>(i * s.taps() + e)] =
          generator::tap<T>(fill, seed, i, e);
  }
  return data;
}

TYPED_TEST(WorkloadOf, FillIsTheGeneratorForAnyNumberOfThreads) {
  const Shape shapes[] = {{.images = 5, .height = 3, .width = 5},
                          {.images = 2, .height = 1, .width = 1, .filter_size = 1},
                          {.images = 3, .height = 4, .width = 6, .filter_size = 7},
                          // More than one chunk of 65536 pixels an image, the last one odd.
                          {.images = 2, .height = 257, .width = 511, .filter_size = 3}};
  for (const Shape& s : shapes) {
    for (const Fill fill : {Fill::kRandom, Fill::kIntegers, Fill::kZeros}) {
      const Data<TypeParam> expected = element_by_element<TypeParam>(s, fill, 42);
      for (const int threads : {1, 2, 3, 7}) {
        ThreadTeam team(threads);
        Data<TypeParam> got(s);
        Workload(s, fill, 42).fill(got.images.data(), got.filters.data(), team);
        ASSERT_TRUE(got == expected) << s.images << " of " << s.height << "x" << s.width << ", "
                                     << name_of(fill) << ", " << threads << " threads";
      }
    }
  }
}

TYPED_TEST(WorkloadOf, ImageAndFilterByIndexAreThoseOfFill) {
  const Shape s{.images = 4, .height = 7, .width = 9, .filter_size = 3};
  const Workload workload(s, Fill::kRandom, 7);
  ThreadTeam team(2);
  for (const std::int64_t first : {0, 3}) {
    Data<TypeParam> all(s), one_by_one(s);
    workload.fill(all.images.data(), all.filters.data(), team, first);
    for (std::int64_t i = s.images - 1; i >= 0; --i) {
      workload.image(first + i, one_by_one.images.data() + i * s.pixels());
      workload.filter(first + i, one_by_one.filters.data() + i * s.taps());
    }
    EXPECT_TRUE(all == one_by_one) << "from image " << first;
  }
  EXPECT_EQ(workload.shape(), s);
}

TEST(Workload, FarImagesNeedNoNearOnes) {
  const Shape s{.images = 1, .height = 1, .width = 3};
  constexpr std::int64_t kFar = (std::int64_t{1} << 32) + 3;
  double pixels[3];
  Workload(s, Fill::kRandom, 0).image(kFar, pixels);
  EXPECT_THAT(pixels, ElementsAre(0x1.5cb888cf5c26p-3, 0x1.991cfa4359a44p-2, 0x1.b1c4b3640ad01p-1));
}

class WorkloadOfFiles : public ::testing::Test {
 protected:
  std::shared_ptr<const NpyStack> stack(const char* name, const std::vector<std::int64_t>& shape,
                                        const std::vector<double>& values) {
    testing::write_npy(folder_ / name, shape, values);
    return std::make_shared<NpyStack>(folder_ / name);
  }

  const testing::TemporaryFolder folder_;
  const Shape shape_{.images = 3, .height = 1, .width = 2, .filter_size = 2};
};

TEST_F(WorkloadOfFiles, ImagesOfAFile) {
  const Workload workload(shape_, Fill::kRandom, 5,
                          stack("images.npy", {3, 1, 2}, {1, 2, 3, 4, 5, 6}));
  const Data<double> generated = element_by_element<double>(shape_, Fill::kRandom, 5);
  for (const int threads : {1, 2, 3, 7}) {
    ThreadTeam team(threads);
    Data<double> wide(shape_);
    workload.fill(wide.images.data(), wide.filters.data(), team);
    EXPECT_THAT(wide.images, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_EQ(wide.filters, generated.filters);
    Data<float> narrow(shape_);
    workload.fill(narrow.images.data(), narrow.filters.data(), team);
    EXPECT_THAT(narrow.images, ElementsAre(1, 2, 3, 4, 5, 6));
  }
}

TEST_F(WorkloadOfFiles, OneFilterForAllImagesOrForEach) {
  const std::pair<std::vector<std::int64_t>, std::vector<double>> cases[] = {
      {{2, 2}, {1, 2, 3, 4}}, {{3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}};
  ThreadTeam team(2);
  for (const auto& [shape, taps] : cases) {
    const Workload workload(shape_, Fill::kRandom, 5, nullptr, stack("filters.npy", shape, taps));
    Data<float> data(shape_);
    workload.fill(data.images.data(), data.filters.data(), team);
    for (std::size_t i = 0; i < data.filters.size(); ++i)
      EXPECT_EQ(data.filters[i], taps[i % taps.size()]);
    EXPECT_EQ(data.images, element_by_element<float>(shape_, Fill::kRandom, 5).images);
  }
}

TEST_F(WorkloadOfFiles, TapsThatAreNotFiniteAreRejected) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const Workload workload(
        shape_, Fill::kRandom, 5, nullptr,
        stack("filters.npy", {3, 2, 2}, {1, 2, 3, 4, 5, 6, bad, 8, 9, 10, 11, 12}));
    for (const int threads : {1, 3}) {
      ThreadTeam team(threads);
      Data<double> data(shape_);
      EXPECT_THAT(message_of<UsageError>(
                      [&] { workload.fill(data.images.data(), data.filters.data(), team); }),
                  AllOf(HasSubstr((folder_ / "filters.npy").string()), HasSubstr("tap 2"),
                        HasSubstr("filter 1"), Not(HasSubstr("\n"))));
    }
  }
}

TEST_F(WorkloadOfFiles, TapsThatOverflowFloat32AreRejected) {
  const Workload workload(shape_, Fill::kRandom, 5, nullptr,
                          stack("filters.npy", {2, 2}, {1, 2, 3, 1e300}));
  double wide[4];
  EXPECT_NO_THROW(workload.filter(0, wide));
  float narrow[4];
  // The file has one filter, number 0, whichever image it is for.
  EXPECT_THAT(message_of<UsageError>([&] { workload.filter(2, narrow); }), HasSubstr("filter 0"));
}

TEST_F(WorkloadOfFiles, PixelsMayBeNanOrInfinite) {
  const Workload workload(shape_, Fill::kRandom, 5,
                          stack("images.npy", {3, 1, 2}, {1, std::nan(""), 3, HUGE_VAL, 5, 6}));
  double pixels[2];
  workload.image(0, pixels);
  EXPECT_TRUE(std::isnan(pixels[1]));
  workload.image(1, pixels);
  EXPECT_EQ(pixels[1], HUGE_VAL);
}

}  // namespace
}  // namespace convscale
