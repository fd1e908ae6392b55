// SPDX-License-Identifier: Apache-2.0
// The kernel `cudnn` over the fake library and the stand-in for the CUDA runtime.
#include "common/digest.hpp"
#include "common/error.hpp"
#include "cpu/naive.hpp"
#include "cuda/device_test.hpp"
#include "cuda/libraries/cudnn_fake.hpp"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace convscale::cuda {
namespace {

using ::convscale::testing::executed_by_cudnn;
using ::convscale::testing::Naive;
using ::convscale::testing::naive_convolution;
using ::convscale::testing::Variable;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr std::int64_t kFakeWorkspaceBytes = 1000;

std::int64_t executions() { return standin::calls("cudaLaunchHostFunc"); }

using CudnnKernelTest = CudnnTest;

/// Launches a plan for each of `counts`, and compares. Batches begin with the second image, which
/// is not aligned to more than an element.
template <class T>
void check_launches(const Request& request, const std::vector<std::int64_t>& counts) {
  Shape s = request.shape;
  ++s.images;
  const HostWorkload<T> data(s, Fill::kRandom, convscale::testing::test_seed());
  const DeviceBuffer d_images = on_device(data.images), d_filters = on_device(data.filters);
  const std::unique_ptr<Plan> plan = cudnn_kernel.plan(request);
  const DeviceBuffer d_scratch(plan->scratch_bytes());
  const Stream stream;
  for (const std::int64_t count : counts) {
    const std::vector<T> poison(static_cast<std::size_t>(s.images * s.outputs()),
                                poison_value<T>());
    const DeviceBuffer d_results = on_device(poison);
    const std::int64_t element = sizeof(T);
    plan->launch(Batch{.images = count,
                       .d_images = d_images.data() + s.pixels() * element,
                       .d_filters = d_filters.data() + s.taps() * element,
                       .d_results = d_results.data() + s.outputs() * element,
                       .d_scratch = d_scratch.data()},
                 stream.get());
    stream.synchronize();
    const std::vector<T> results = on_host<T>(d_results.data(), std::ssize(poison));
    for (std::int64_t image = 0; image < s.images; ++image) {
      const Naive naive = naive_convolution(s, data.images.data() + image * s.pixels(),
                                            data.filters.data() + image * s.taps());
      for (std::int64_t i = 0; i < s.outputs(); ++i) {
        const T got = results[static_cast<std::size_t>(image * s.outputs() + i)];
        if (image == 0 || image > count) {
          ASSERT_EQ(bits_of(got), kPoisonBits<T>) << "outside of the batch, image " << image;
          continue;
        }
        const std::int64_t row = i / s.out_width() * s.stride,
                           column = i % s.out_width() * s.stride;
        const auto at = static_cast<std::size_t>(row * s.dense_width() + column);
        ASSERT_TRUE(convscale::testing::is_close(got, naive.sum[at], naive.magnitude[at], s.taps()))
            << "image " << image << ", output " << i << ": " << got << ", not " << naive.sum[at];
      }
    }
  }
}

void check(const Request& request, const std::vector<std::int64_t>& counts) {
  dispatch(request.dtype, [&]<class T>() { check_launches<T>(request, counts); });
}

TEST_F(CudnnKernelTest, ComputesTheConvolutionInOneCall) {
  for (const Shape& shape :
       {Shape{1, 1, 1, 1, 1}, Shape{3, 20, 31, 4, 5}, Shape{5, 7, 9, 3, 1}, Shape{2, 6, 5, 9, 2},
        Shape{4, 1, 17, 4, 3}, Shape{4, 17, 1, 2, 4}, Shape{2, 10, 10, 1, 6},
        Shape{2, 8, 9, 4, 100}, Shape{2, 40, 33, 31, 7}}) {
    for (const Method method : {Method::kFull, Method::kStrided}) {
      for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
        SCOPED_TRACE(fmt::format("{}x{}, K {}, S {}, {}, {}", shape.height, shape.width,
                                 shape.filter_size.height, shape.stride, name_of(method),
                                 name_of(dtype)));
        const std::int64_t before = executions();
        check(request_of(shape, method, dtype), {shape.images});
        EXPECT_EQ(executions(), before + 1);
      }
    }
  }
}

TEST_F(CudnnKernelTest, TakesFewerImagesThanPlannedFor) {
  for (const Method method : {Method::kFull, Method::kStrided}) {
    check(request_of({6, 9, 11, 4, 3}, method, Dtype::kFloat32), {6, 5, 1, 6});
  }
}

TEST_F(CudnnKernelTest, SplitsFullWhereScratchWouldBeLarge) {
  Request request = request_of({7, 30, 30, 4, 5}, Method::kFull, Dtype::kFloat64);
  const std::int64_t image_bytes = std::int64_t{33} * 33 * 8;
  request.device.l2_bytes = (2 * image_bytes + image_bytes / 2) / 16;  // scratch for two images
  const std::int64_t aligned = (2 * image_bytes + 255) / 256 * 256;
  EXPECT_EQ(cudnn_kernel.plan(request)->scratch_bytes(), aligned + kFakeWorkspaceBytes);
  check(request, {7, 6, 2});
  EXPECT_EQ(executions(), 4 + 3 + 1);
  request.device.l2_bytes = 0;
  check(request, {3});
  EXPECT_EQ(executions(), 8 + 3);
}

TEST_F(CudnnKernelTest, NeedsScratchForItsWorkspaceOnlyIfThereIsNothingToDecimate) {
  const Shape every{3, 30, 30, 4, 1}, fifth{3, 30, 30, 4, 5};
  for (const auto& [shape, method] :
       {std::pair(every, Method::kFull), std::pair(every, Method::kStrided),
        std::pair(fifth, Method::kStrided)}) {
    EXPECT_EQ(cudnn_kernel.plan(request_of(shape, method, Dtype::kFloat64))->scratch_bytes(),
              kFakeWorkspaceBytes);
  }
}

TEST_F(CudnnKernelTest, SplitsBatchesOfTwoToTheThirtyOneElements) {
  // The fake, like most of cuDNN's engines, takes no larger tensor.
  for (const Method method : {Method::kFull, Method::kStrided}) {
    for (const std::int64_t stride : {1, 5}) {
      EXPECT_NE(cudnn_kernel.plan(request_of({40, 8192, 8192, 4, stride}, method, Dtype::kFloat32)),
                nullptr);
    }
  }
}

TEST_F(CudnnKernelTest, PassesCudnnsReasonOn) {
  try {
    cudnn_kernel.plan(request_of({1, 50000, 50000, 4, 5}, Method::kStrided, Dtype::kFloat64));
    FAIL() << "2.5e9 pixels were accepted";
  } catch (const UnsupportedError& error) {
    EXPECT_STREQ(error.what(),
                 "cuDNN does not do this convolution: CUDNN_STATUS_NOT_SUPPORTED_SHAPE: 2^31 "
                 "elements or more");
  }
}

TEST_F(CudnnKernelTest, AsksTheFallbackWhereHeuristicsKnowNothing) {
  const Variable propose("FAKE_CUDNN_PROPOSE", "a");
  const Request request = request_of({3, 20, 31, 4, 5}, Method::kStrided, Dtype::kFloat32);
  check(request, {3});
  EXPECT_EQ(executed_by_cudnn(), "eng0");
}

TEST_F(CudnnKernelTest, RefusesEnginesThatWouldNotSumDirectlyInFullPrecision) {
  const Variable propose("FAKE_CUDNN_PROPOSE", "none");
  try {
    cudnn_kernel.plan(request_of({3, 20, 31, 4, 5}, Method::kStrided, Dtype::kFloat32));
    FAIL() << "one of them was taken";
  } catch (const UnsupportedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no engine for this convolution that sums directly"));
  }
}

TEST_F(CudnnKernelTest, IsUnsupportedOnADeviceThatCudnnDoesNotTake) {
  for (const char* status : {"cudnnCreate:1001", "cudnnCreate:3007"}) {
    const Variable fail("FAKE_CUDNN_FAIL", status);
    EXPECT_THROW(cudnn_kernel.plan(request_of({1, 4, 4, 2, 1}, Method::kFull, Dtype::kFloat64)),
                 UnsupportedError);
  }
}

TEST_F(CudnnKernelTest, ReportsFailedCallsWithTheirPlace) {
  const Request request = request_of({2, 9, 9, 4, 5}, Method::kFull, Dtype::kFloat64);
  for (const char* function : {"cudnnCreate", "cudnnBackendCreateDescriptor",
                               "cudnnBackendSetAttribute", "cudnnBackendGetAttribute",
                               "cudnnBackendFinalize", "cudnnSetStream", "cudnnBackendExecute"}) {
    const Variable fail("FAKE_CUDNN_FAIL", std::string(function) + ":5000");
    try {
      check(request, {2});
      FAIL() << function << " failed unseen";
    } catch (const ResourceError& error) {
      EXPECT_THAT(error.what(), MatchesRegex("cuda/.*:[0-9]+: " + std::string(function) +
                                             "\\(.*\\): CUDNN_STATUS_EXECUTION_FAILED: told to "
                                             "fail"));
    }
  }
}

TEST_F(CudnnKernelTest, ReportsAFailedLaunchOfItsOwn) {
  standin::fail("cudaLaunchKernelEx", cudaErrorLaunchOutOfResources);
  EXPECT_THROW(check(request_of({2, 9, 9, 4, 5}, Method::kFull, Dtype::kFloat64), {2}),
               ResourceError);
}

}  // namespace
}  // namespace convscale::cuda
