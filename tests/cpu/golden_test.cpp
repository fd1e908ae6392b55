// SPDX-License-Identifier: Apache-2.0
// Every kernel, and the reference, against results that SciPy computed: golden/make_golden.py.
#include "bench/data/npy.hpp"
#include "bench/measure/reference.hpp"
#include "bench/measure/verify.hpp"
#include "common/buffer.hpp"
#include "common/digest.hpp"
#include "common/kernel_table.hpp"
#include "common/thread_team.hpp"
#include "cpu/kernel_table.hpp"
#include "cpu/naive.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace convscale {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(CONVSCALE_TEST_DATA) / "golden";

/// A line of the index.
struct CaseName {
  std::string name;
  std::int64_t stride = 0;
  std::string mode = {};
};

std::vector<CaseName> read_index() {
  std::ifstream file(kFolder / "cases.txt");
  std::vector<CaseName> names;
  for (CaseName entry; file >> entry.name >> entry.stride >> entry.mode;) names.push_back(entry);
  if (!file.eof()) throw std::runtime_error("cannot read " + (kFolder / "cases.txt").string());
  return names;
}

template <class T>
std::vector<T> read_all(const NpyStack& stack) {
  const std::int64_t item = stack.height() * stack.width();
  std::vector<T> values(static_cast<std::size_t>(stack.count() * item));
  for (std::int64_t i = 0; i < stack.count(); ++i) stack.read(i, values.data() + i * item);
  return values;
}

/// What SciPy was given, and what it said, in the case's dtype.
template <class T>
struct Case {
  Shape shape;
  std::vector<T> images, filters, results;
  std::vector<ReferenceBand> references;  ///< of each image
  bool exact = true;  ///< whole numbers that T adds without rounding, so all must be equal

  Case(std::int64_t stride, Mode mode, const NpyStack& image_file, const NpyStack& filter_file,
       const NpyStack& result_file)
      : shape{.images = image_file.count(),
              .height = image_file.height(),
              .width = image_file.width(),
              .filter_size = {filter_file.height(), filter_file.width()},
              .stride = stride,
              .mode = mode},
        images(read_all<T>(image_file)),
        filters(read_all<T>(filter_file)),
        results(read_all<T>(result_file)),
        references(static_cast<std::size_t>(shape.images)) {
    if (filter_file.count() != shape.images || result_file.count() != shape.images ||
        result_file.height() != shape.out_height() || result_file.width() != shape.out_width()) {
      throw std::runtime_error(result_file.path() + " does not fit its images and filters");
    }
    const double largest_exact = 1 / static_cast<double>(std::numeric_limits<T>::epsilon());
    const auto is_whole = [](T value) { return std::trunc(value) == value; };
    exact = std::all_of(images.begin(), images.end(), is_whole) &&
            std::all_of(filters.begin(), filters.end(), is_whole);
    for (std::int64_t i = 0; i < shape.images; ++i) {
      ReferenceBand& reference = references[static_cast<std::size_t>(i)];
      reference.compute(shape, images.data() + i * shape.pixels(),
                        filters.data() + i * shape.taps(), 0, shape.out_height());
      exact = exact && reference.magnitude.maxCoeff() <= largest_exact;
    }
  }

  /// Compares one image's `got` (out_height, out_width) with SciPy's.
  template <class Got>
  void compare(std::int64_t index, const Got* got) const {
    const ReferenceBand& reference = references[static_cast<std::size_t>(index)];
    for (std::int64_t output = 0; output < shape.outputs(); ++output) {
      const std::int64_t y = output / shape.out_width(), x = output % shape.out_width();
      const auto expected =
          static_cast<double>(results[static_cast<std::size_t>(index * shape.outputs() + output)]);
      const auto value = static_cast<double>(got[output]);
      // Both sides are rounded, each by less than half of the bound.
      const bool right = exact ? value == expected
                               : testing::is_close(static_cast<T>(value), expected,
                                                   reference.magnitude(y, x), shape.taps());
      ASSERT_TRUE(right) << "image " << index << ", output (" << y << ", " << x << "): got "
                         << value << ", SciPy says " << expected;
    }
  }
};

/// Calls `body` with each case of the index.
template <class Body>
void for_each_case(Body&& body) {
  for (const auto& [name, stride, mode_name] : read_index()) {
    SCOPED_TRACE(name);
    const Mode mode = from_name<Mode>(mode_name).value();
    const NpyStack images(kFolder / (name + ".images.npy"));
    const NpyStack filters(kFolder / (name + ".filters.npy"));
    const NpyStack results(kFolder / (name + ".results.npy"));
    ASSERT_EQ(images.type(), filters.type());
    ASSERT_EQ(images.type(), results.type());
    if (images.type() == NpyType::kFloat64) {
      body(Case<double>(stride, mode, images, filters, results));
    } else {
      ASSERT_EQ(images.type(), NpyType::kFloat32);
      body(Case<float>(stride, mode, images, filters, results));
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
}

class GoldenKernelTest : public ::testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    const std::string missing = GetParam().missing ? GetParam().missing() : "";
    if (!missing.empty()) GTEST_SKIP() << missing;
  }

  /// Runs each image of each case, in one piece and, unless the kernel refuses that, in two.
  static void check(Method method) {
    for_each_case([&]<class T>(const Case<T>& golden) {
      const Shape& s = golden.shape;
      Request request(s, method, sizeof(T) == sizeof(double) ? Dtype::kFloat64 : Dtype::kFloat32);
      request.whole_images = false;
      if (!why_not(GetParam(), request).empty()) request.whole_images = true;
      if (!why_not(GetParam(), request).empty()) return;
      const std::unique_ptr<Plan> plan = GetParam().plan(request);
      const PageBuffer scratch(plan->scratch_bytes(), "scratch");
      for (std::int64_t i = 0; i < s.images; ++i) {
        for (const std::int64_t cut : {std::int64_t{0}, s.out_height() / 3}) {
          if (cut > 0 && request.whole_images) continue;
          std::vector<T> out(static_cast<std::size_t>(s.outputs()), poison_value<T>());
          const auto run = [&](std::int64_t begin, std::int64_t end) {
            plan->run(piece_of<T>(golden.images.data() + i * s.pixels(),
                                  golden.filters.data() + i * s.taps(), begin, end,
                                  out.data() + begin * s.out_width(), scratch.data()));
          };
          if (cut > 0) run(0, cut);
          run(cut, s.out_height());
          for (const T value : out) ASSERT_NE(bits_of(value), kPoisonBits<T>) << "never written";
          golden.compare(i, out.data());
        }
      }
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Cpu, GoldenKernelTest,
                         ::testing::ValuesIn(cpu_kernels().begin(), cpu_kernels().end()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(GoldenKernelTest, Full) { check(Method::kFull); }
TEST_P(GoldenKernelTest, Strided) { check(Method::kStrided); }

TEST(GoldenTest, IndexHoldsTheCases) {
  int special = 0, exact = 0;
  for_each_case([&]<class T>(const Case<T>& golden) {
    special += std::all_of(golden.results.begin(), golden.results.end(),
                           [](T value) { return std::isfinite(value); })
                   ? 0
                   : 1;
    exact += golden.exact ? 1 : 0;
  });
  EXPECT_GE(read_index().size(), 12u);
  EXPECT_GE(special, 1);
  EXPECT_GE(exact, 1);
}

TEST(GoldenTest, ReferenceAgrees) {
  for_each_case([]<class T>(const Case<T>& golden) {
    for (std::int64_t i = 0; i < golden.shape.images; ++i)
      golden.compare(i, golden.references[static_cast<std::size_t>(i)].expected.data());
  });
}

TEST(GoldenTest, VerifyPasses) {
  ThreadTeam team(2);
  for_each_case([&]<class T>(const Case<T>& golden) {
    const Verification outcome = verify(golden.shape, golden.images.data(), golden.filters.data(),
                                        golden.results.data(), team);
    EXPECT_EQ(outcome.status, VerificationStatus::kPassed) << outcome.failure;
    EXPECT_EQ(outcome.outputs, golden.shape.images * golden.shape.outputs());
  });
}

}  // namespace
}  // namespace convscale
