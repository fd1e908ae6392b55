// SPDX-License-Identifier: Apache-2.0
// Every kernel of the table against the definition, for both methods and dtypes. Device buffers are
// as long as their data, so that what watches memory sees an access beyond.
#include "common/digest.hpp"
#include "common/error.hpp"
#include "common/kernel_table.hpp"
#include "cpu/naive.hpp"
#include "cuda/device_test.hpp"
#include "cuda/kernel_table.hpp"
#include "support.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace convscale::cuda {

namespace {

using convscale::testing::is_close;
using convscale::testing::Naive;
using convscale::testing::naive_convolution;

/// images, height, width, filter_size, stride
const std::vector<Shape> kShapes = {
    // The benchmark's own K and S: rows on 16 bytes or not, smaller than a filter or a step,
    // several
    // tiles and bands, one column or row more or less than a tile.
    {2, 1, 1, 4, 5},
    {2, 1, 8, 4, 5},
    {2, 3, 2, 4, 5},
    {3, 5, 5, 4, 5},
    {2, 16, 20, 4, 5},
    {2, 33, 61, 4, 5},
    {2, 37, 124, 4, 5},
    {1, 70, 132, 4, 5},
    {3, 20, 100, 4, 5},
    // What fast paths are compiled for, and what they are not.
    {2, 18, 24, 1, 1},
    {2, 17, 16, 2, 1},
    {2, 12, 64, 2, 2},
    {2, 11, 12, 3, 1},
    {2, 14, 68, 3, 2},
    {2, 9, 31, 3, 3},
    {2, 35, 60, 4, 1},
    {2, 13, 64, 4, 4},
    {2, 12, 20, 5, 2},
    {2, 24, 40, 5, 5},
    {1, 21, 44, 5, 3},
    {2, 26, 52, 7, 3},
    {1, 19, 33, 8, 4},
    {1, 20, 28, 11, 6},
    {1, 9, 10, 31, 7},
    {2, 40, 24, 4, 16},
    {2, 16, 48, 3, 100},
    {2, 7, 9, 4, std::int64_t{1} << 31},
};

std::string text_of(const Kernel& kernel, const Request& r) {
  return std::string(kernel.name) + " " + std::string(name_of(r.method)) + " " +
         std::string(name_of(r.dtype)) + ", " + testing::text_of(r.shape);
}

/// One launch, in memory of its own.
template <class T>
struct Launched {
  DeviceBuffer images, filters, results, scratch;

  Launched(const Kernel& kernel, const Request& request, const HostWorkload<T>& data)
      : images(on_device(data.images)),
        filters(on_device(data.filters)),
        results(on_device(std::vector<T>(outputs(request), poison_value<T>()))) {
    const std::unique_ptr<Plan> plan = kernel.plan(request);
    scratch = DeviceBuffer(plan->scratch_bytes());
    const Stream stream;
    plan->launch(
        {request.shape.images, images.data(), filters.data(), results.data(), scratch.data()},
        stream.get());
    stream.synchronize();
  }
  static std::size_t outputs(const Request& request) {
    return static_cast<std::size_t>(request.shape.images * request.shape.outputs());
  }
};

/// Compares with the definition; `stride` of `got`'s rows and columns.
template <class T>
void expect_convolved(const Request& request, const HostWorkload<T>& data,
                      const std::vector<T>& got, std::int64_t stride) {
  Shape s = request.shape;
  s.stride = stride;
  ASSERT_EQ(got.size(), static_cast<std::size_t>(s.images * s.outputs()));
  std::size_t index = 0;
  for (std::int64_t i = 0; i < s.images; ++i) {
    const Naive expected = naive_convolution(s, data.images.data() + i * s.pixels(),
                                             data.filters.data() + i * s.taps());
    for (std::int64_t y = 0; y < s.dense_height(); y += stride) {
      for (std::int64_t x = 0; x < s.dense_width(); x += stride, ++index) {
        const auto at = static_cast<std::size_t>(y * s.dense_width() + x);
        ASSERT_NE(bits_of(got[index]), kPoisonBits<T>)
            << "unwritten: " << i << ", " << y << ", " << x;
        ASSERT_TRUE(is_close(got[index], expected.sum[at], expected.magnitude[at], s.taps()))
            << "image " << i << ", full output " << y << ", " << x << ": got " << got[index]
            << ", expected " << expected.sum[at];
      }
    }
  }
}

template <class T>
void check(const Kernel& kernel, const Request& request) {
  SCOPED_TRACE(text_of(kernel, request));
  const HostWorkload<T> data(request.shape);
  const Launched<T> launched(kernel, request, data);
  const std::vector<T> results =
      on_host<T>(launched.results.data(), static_cast<std::int64_t>(Launched<T>::outputs(request)));
  ASSERT_NO_FATAL_FAILURE(expect_convolved(request, data, results, request.shape.stride));
  // Images and filters are left as they were.
  EXPECT_EQ(on_host<T>(launched.images.data(), request.shape.images * request.shape.pixels()),
            data.images);
  EXPECT_EQ(on_host<T>(launched.filters.data(), request.shape.images * request.shape.taps()),
            data.filters);
}

class EveryKernel : public DeviceTest, public ::testing::WithParamInterface<Kernel> {
 protected:
  /// Why this test cannot run the kernel; empty if it can.
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped()) return;
    const std::string missing = GetParam().missing ? GetParam().missing() : "";
    if (!missing.empty()) GTEST_SKIP() << missing;
  }

  /// Calls `body(request)` for every request that the kernel takes: a good part, unless it says
  /// that it does not do the method.
  template <class Body>
  void for_each_request(Method method, Dtype dtype, Body&& body) {
    int count = 0;
    for (const Shape& shape : kShapes) {
      const Request request{{shape, method, dtype}, limits_of(0)};
      const std::string why = why_not(GetParam(), request);
      if (why.find("it does method") == 0) return;
      if (!why.empty()) continue;
      try {
        ASSERT_NO_FATAL_FAILURE(body(request));
        ++count;
      } catch (const UnsupportedError&) {
        // a library may refuse only when it is asked to plan
      }
    }
    EXPECT_GE(count, 10);
  }
};

TEST_P(EveryKernel, FullFloat64) {
  for_each_request(Method::kFull, Dtype::kFloat64,
                   [](const Request& r) { check<double>(GetParam(), r); });
}
TEST_P(EveryKernel, FullFloat32) {
  for_each_request(Method::kFull, Dtype::kFloat32,
                   [](const Request& r) { check<float>(GetParam(), r); });
}
TEST_P(EveryKernel, StridedFloat64) {
  for_each_request(Method::kStrided, Dtype::kFloat64,
                   [](const Request& r) { check<double>(GetParam(), r); });
}
TEST_P(EveryKernel, StridedFloat32) {
  for_each_request(Method::kStrided, Dtype::kFloat32,
                   [](const Request& r) { check<float>(GetParam(), r); });
}

/// A plan is made for the largest batch and gets smaller ones too.
TEST_P(EveryKernel, TakesFewerImagesThanPlanned) {
  for (const Method method : {Method::kFull, Method::kStrided}) {
    Request request{{{5, 12, 16, 4, 5}, method, Dtype::kFloat64}, limits_of(0)};
    request.device.l2_bytes = 64 << 10;  // so that scratch holds less than two images
    if (!why_not(GetParam(), request).empty()) continue;
    const std::unique_ptr<Plan> plan = GetParam().plan(request);
    const HostWorkload<double> data(request.shape);
    const DeviceBuffer images = on_device(data.images), filters = on_device(data.filters);
    const std::vector<double> poison(Launched<double>::outputs(request), poison_value<double>());
    const DeviceBuffer results = on_device(poison);
    const DeviceBuffer scratch(plan->scratch_bytes());
    const Stream stream;
    plan->launch({2, images.data(), filters.data(), results.data(), scratch.data()}, stream.get());
    stream.synchronize();
    const std::vector<double> got =
        on_host<double>(results.data(), static_cast<std::int64_t>(poison.size()));
    request.shape.images = 2;
    const auto two = static_cast<std::ptrdiff_t>(Launched<double>::outputs(request));
    expect_convolved<double>(request, data, {got.begin(), got.begin() + two}, 5);
    for (auto it = got.begin() + two; it != got.end(); ++it)
      ASSERT_EQ(bits_of(*it), kPoisonBits<double>) << "written beyond the batch";
  }
}

/// Method `full` computes every output of the full convolution. What goes to scratch is looked at
/// there; of what goes to shared memory a stride of 1 keeps all.
TEST_P(EveryKernel, UndecimatedOutputs) {
  Request request{{{2, 21, 36, 4, 5}, Method::kFull, Dtype::kFloat64}, limits_of(0)};
  if (!why_not(GetParam(), request).empty()) return;
  const HostWorkload<double> data(request.shape);
  Shape full = request.shape;
  full.stride = 1;
  const std::int64_t count = full.images * full.outputs();
  if (GetParam().plan(request)->scratch_bytes() == 0) request.shape = full;
  const Launched<double> launched(GetParam(), request, data);
  const bool in_scratch = launched.scratch.bytes() > 0;
  ASSERT_TRUE(!in_scratch || launched.scratch.bytes() >= count * 8) << "all in one part";
  const DeviceBuffer& outputs = in_scratch ? launched.scratch : launched.results;
  expect_convolved(request, data, on_host<double>(outputs.data(), count), 1);
}

INSTANTIATE_TEST_SUITE_P(Cuda, EveryKernel, ::testing::ValuesIn(kernels().begin(), kernels().end()),
                         [](const auto& test) { return std::string(test.param.name); });

class KernelTable : public DeviceTest {};

TEST_F(KernelTable, AutoTakesAKernelForEverything) {
  for (const Shape& shape : kShapes) {
    for (const Method method : {Method::kFull, Method::kStrided}) {
      const Request request{{shape, method, Dtype::kFloat64}, limits_of(0)};
      EXPECT_EQ(why_not(find_kernel("cuda", kernels(), "auto", request), request), "");
    }
  }
}

/// Of the benchmark's own K and S, kernels of one method only are the fast ones.
TEST_F(KernelTable, AutoTakesTheFastOnesForTheBenchmark) {
  for (const auto& [method, other] :
       {std::pair(Method::kFull, Method::kStrided), std::pair(Method::kStrided, Method::kFull)}) {
    Request request{{{33, 1000, 1000, 4, 5}, method, Dtype::kFloat64}, limits_of(0)};
    const Kernel& kernel = find_kernel("cuda", kernels(), "auto", request);
    request.method = other;
    EXPECT_NE(why_not(kernel, request), "") << kernel.name;
  }
}

TEST_F(KernelTable, NoneDoesYetWhatTheCpuDoes) {
  Request oblong{{{1, 10, 10, {3, 4}, 5}, Method::kFull, Dtype::kFloat64}, limits_of(0)};
  Request cropped{{{1, 10, 10, 4, 5, Mode::kSame}, Method::kFull, Dtype::kFloat64}, limits_of(0)};
  for (const Kernel& kernel : kernels()) {
    if (kernel.missing && !kernel.missing().empty()) continue;
    EXPECT_EQ(why_not(kernel, oblong), "it does square filters only") << kernel.name;
    EXPECT_EQ(why_not(kernel, cropped), "it does mode full only") << kernel.name;
  }
}

TEST_F(KernelTable, RefusalsSayWhy) {
  Request request{{{1, 10, 10, 6, 5}, Method::kFull, Dtype::kFloat64}, limits_of(0)};
  const auto message = [&](std::string_view name) {
    try {
      find_kernel("cuda", kernels(), name, request);
    } catch (const UnsupportedError& error) {
      return std::string(error.what());
    }
    return std::string("found");
  };
  EXPECT_THAT(message("rolling"),
              ::testing::HasSubstr("it does filters of 2, 3, 4, 5 and 7 a side, not 6; these"));
  EXPECT_THAT(message("vector"), ::testing::HasSubstr("it does method strided only"));
  request.method = Method::kStrided;
  request.shape = {1, 6000, 6000, 6, 5000};
  EXPECT_THAT(message("tiled"), ::testing::HasSubstr("of shared memory, a block of this device"));
}

}  // namespace
}  // namespace convscale::cuda
