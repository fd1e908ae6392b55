// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/input_check.hpp"

#include "bench/npy_file.hpp"
#include "common/thread_team.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convscale {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kFirst = 5;

/// The inputs of a workload, as they were made.
template <class T>
struct Inputs {
  explicit Inputs(const Workload& of)
      : workload(of),
        images(static_cast<std::size_t>(of.shape().images * of.shape().pixels())),
        filters(static_cast<std::size_t>(of.shape().images * of.shape().taps())) {
    workload.fill(images.data(), filters.data(), team, kFirst);
  }
  std::string changed(bool go_on = true) {
    return changed_input(workload, images.data(), filters.data(), team, kFirst,
                         [go_on] { return go_on; });
  }

  Workload workload;
  ThreadTeam team{3};
  std::vector<T> images, filters;
};

constexpr Shape kShape{.images = 70, .height = 131, .width = 7, .filter_size = 3, .stride = 2};

template <class T>
class InputCheckOf : public ::testing::Test {};
using Types = ::testing::Types<double, float>;
TYPED_TEST_SUITE(InputCheckOf, Types);

TYPED_TEST(InputCheckOf, FindsNothingInInputsAsTheyWereMade) {
  for (const Fill fill : {Fill::kRandom, Fill::kIntegers}) {
    Inputs<TypeParam> inputs(Workload(kShape, fill, 9));
    EXPECT_EQ(inputs.changed(), "");
  }
}

TYPED_TEST(InputCheckOf, EndsWhereItIsToStop) {
  Inputs<TypeParam> inputs(Workload(kShape, Fill::kRandom, 9));
  inputs.images[0] += 1;
  EXPECT_NE(inputs.changed(), "");
  EXPECT_EQ(inputs.changed(false), "");
}

TYPED_TEST(InputCheckOf, FindsAnyBitOfTheFirstAndLastRowsAndOfFilters) {
  Inputs<TypeParam> inputs(Workload(kShape, Fill::kRandom, 9));
  const auto is_found = [&](TypeParam& element, const std::string& where) {
    const TypeParam was = element;
    element = std::nextafter(was, TypeParam(9));
    EXPECT_THAT(inputs.changed(), StartsWith(where));
    element = std::numeric_limits<TypeParam>::quiet_NaN();
    EXPECT_THAT(inputs.changed(), StartsWith(where));
    element = was;
  };
  for (const std::int64_t image : {0, 1, 33, 69}) {
    for (const std::int64_t row : {std::int64_t{0}, kShape.height - 1}) {
      for (const std::int64_t x : {0, 3, 6}) {
        const std::int64_t at = image * kShape.pixels() + row * kShape.width + x;
        is_found(inputs.images[static_cast<std::size_t>(at)],
                 "image " + std::to_string(kFirst + image) + ", pixel (" + std::to_string(row) +
                     ", " + std::to_string(x) + ") was ");
      }
    }
    for (const std::int64_t tap : {0, 5, 8}) {
      is_found(inputs.filters[static_cast<std::size_t>(image * 9 + tap)],
               "image " + std::to_string(kFirst + image) + ", filter tap (" +
                   std::to_string(tap / 3) + ", " + std::to_string(tap % 3) + ") was ");
    }
  }
  EXPECT_EQ(inputs.changed(), "");
}

/// A backend that changes the same row of all images has no row that is safe.
TYPED_TEST(InputCheckOf, LooksAtEveryRowOfSomeImage) {
  for (std::int64_t row = 0; row < kShape.height; ++row) {
    Inputs<TypeParam> inputs(Workload(kShape, Fill::kRandom, 9));
    for (std::int64_t image = 0; image < kShape.images; ++image)
      inputs.images[static_cast<std::size_t>(image * kShape.pixels() + row * kShape.width)] += 1;
    EXPECT_THAT(inputs.changed(), HasSubstr(", pixel (" + std::to_string(row) + ", 0) was "));
  }
}

TYPED_TEST(InputCheckOf, NamesTheFirstOfSeveral) {
  Inputs<TypeParam> inputs(Workload(kShape, Fill::kRandom, 9));
  for (TypeParam& pixel : inputs.images) pixel = 0;
  for (int repeat = 0; repeat < 20; ++repeat)
    EXPECT_THAT(inputs.changed(), StartsWith("image 5, pixel (0, 0) was "));
}

TEST(InputCheck, ComparesWithTheFile) {
  const testing::TemporaryFolder folder;
  const std::string path = (folder / "images.npy").string();
  std::vector<float> pixels(10 * 5 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i) + 0.25f;
  testing::write_npy(path, {10, 5, 3}, pixels);
  const Shape shape{.images = 4, .height = 5, .width = 3, .filter_size = 2, .stride = 1};
  Inputs<double> inputs(Workload(shape, Fill::kFile, 0, std::make_shared<const NpyStack>(path)));
  EXPECT_EQ(inputs.changed(), "");
  inputs.images[2 * 15 + 4 * 3 + 1] = -1;
  EXPECT_THAT(inputs.changed(), StartsWith("image 7, pixel (4, 1) was 118.25 and is -1 after"));
}

}  // namespace
}  // namespace convscale
