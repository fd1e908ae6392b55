// SPDX-License-Identifier: Apache-2.0
// Which of the fake cuDNN's engines the kernel `cudnn` takes.
#include "common/error.hpp"
#include "cuda/cudnn_convolution.hpp"
#include "cuda/libraries/cudnn_fake.hpp"
#include "cuda/resources.hpp"

#include <memory>
#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::convscale::testing::executed_by_cudnn;
using ::convscale::testing::plans_of_cudnn;
using ::convscale::testing::Variable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Shape kShape{3, 20, 31, 4, 5};
constexpr Alignment kWhole{kBufferAlignment, kBufferAlignment, kBufferAlignment};
/// Engines that may be used for float32, the way they are planned if nothing is aligned.
const std::vector<std::string> kEngines = {"eng28_k2=4", "eng0", "eng28_k2=5", "eng2", "eng28"};

using CudnnTuningTest = CudnnTest;

Request request_of(Dtype dtype, const Alignment& alignment = {}) {
  return cuda::request_of(kShape, Method::kStrided, dtype, alignment);
}

/// Device memory for a request, and a plan.
class Tuned {
 public:
  explicit Tuned(const Request& request, std::unique_ptr<Plan> plan = nullptr)
      : request_(request),
        plan_(plan ? std::move(plan) : cudnn_kernel.plan(request)),
        d_images_(bytes(request.shape.pixels())),
        d_filters_(bytes(request.shape.taps())),
        d_results_(bytes(request.shape.outputs())),
        d_scratch_(plan_->scratch_bytes()) {}

  Plan& plan() { return *plan_; }
  void tune(std::int64_t images = kShape.images) { plan_->tune(batch(images, 0), stream_.get()); }
  /// The engine that a launch runs, from image `first` on.
  std::string launch(std::int64_t images = kShape.images, std::int64_t first = 0) {
    plan_->launch(batch(images, first), stream_.get());
    stream_.synchronize();
    return executed_by_cudnn();
  }

 private:
  // One image more than the request's, for launches that do not begin with the first one.
  std::int64_t bytes(std::int64_t elements) const {
    return (request_.shape.images + 1) * elements * size_of(request_.dtype);
  }
  Batch batch(std::int64_t images, std::int64_t first) const {
    const Shape& s = request_.shape;
    const std::int64_t element = size_of(request_.dtype);
    return {.images = images,
            .d_images = d_images_.data() + first * s.pixels() * element,
            .d_filters = d_filters_.data() + first * s.taps() * element,
            .d_results = d_results_.data() + first * s.outputs() * element,
            .d_scratch = d_scratch_.data()};
  }

  Request request_;
  Stream stream_;
  std::unique_ptr<Plan> plan_;
  DeviceBuffer d_images_, d_filters_, d_results_, d_scratch_;
};

/// The engine that is taken where `fastest` is.
std::string taken(const std::string& fastest, const Request& request) {
  const Variable variable("FAKE_CUDNN_FASTEST", fastest);
  Tuned tuned(request);
  tuned.tune();
  EXPECT_EQ(tuned.plan().path(), tuned.launch()) << "it says another than it runs";
  return tuned.plan().path();
}

TEST_F(CudnnTuningTest, TakesTheFastestOfAllEngines) {
  for (const std::string& engine : kEngines)
    EXPECT_EQ(taken(engine, request_of(Dtype::kFloat32)), engine);
}

TEST_F(CudnnTuningTest, NeverTakesOneThatDoesNotSumDirectlyInFullPrecision) {
  for (const char* engine : {"eng3", "eng40", "eng41", "eng42", "eng45", "eng67"})
    EXPECT_EQ(taken(engine, request_of(Dtype::kFloat32, kWhole)), kEngines[0]) << engine;
  for (const char* engine : {"eng3", "eng40", "eng41", "eng42", "eng45"})
    EXPECT_EQ(taken(engine, request_of(Dtype::kFloat64, kWhole)), kEngines[0]) << engine;
}

TEST_F(CudnnTuningTest, TakesTensorCoresForFloat64) {
  EXPECT_EQ(taken("eng67", request_of(Dtype::kFloat64)), "eng67");
}

TEST_F(CudnnTuningTest, DeclaresTheAlignmentThatThereIs) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64}) {
    EXPECT_EQ(taken("eng50", request_of(dtype, {16, 16, 16})), "eng50");
    EXPECT_EQ(taken("eng50", request_of(dtype, {8, 16, 16})), kEngines[0]);
    EXPECT_EQ(taken("eng50", request_of(dtype, {16, 8, 16})), kEngines[0]);
    EXPECT_EQ(taken("eng50", request_of(dtype, {16, 16, 8})), kEngines[0]);
    EXPECT_EQ(taken("eng50", request_of(dtype)), kEngines[0]);
  }
}

TEST_F(CudnnTuningTest, KnowsThatScratchIsAlignedAndWherePartsBegin) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng50");
  Request request = request_of(Dtype::kFloat32, {16, 16, 4});
  request.method = Method::kFull;
  const auto engine_of = [&] {
    Tuned tuned(request);
    tuned.tune();
    tuned.launch();
    return tuned.plan().path();
  };
  EXPECT_EQ(engine_of(), "eng50") << "full convolutions go to scratch";
  request.device.l2_bytes = 0;  // an image a call; each begins 20 x 31 floats behind the one before
  EXPECT_EQ(engine_of(), "eng50");
  request.shape.width = 30;
  request.shape.height = 21;  // 2520 bytes are a multiple of 8 alone
  EXPECT_EQ(engine_of(), kEngines[0]);
}

TEST_F(CudnnTuningTest, TakesAnotherEngineWhereABatchIsNotAlignedAsPromised) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng50");
  Tuned tuned(request_of(Dtype::kFloat32, kWhole));
  tuned.tune();
  EXPECT_EQ(tuned.launch(), "eng50");
  EXPECT_EQ(tuned.launch(2, 1), kEngines[0]);
  EXPECT_EQ(tuned.launch(), "eng50");
}

TEST_F(CudnnTuningTest, DropsAnEngineThatFails) {
  const Variable broken("FAKE_CUDNN_BROKEN", "eng28_k2=4");
  for (const std::string& engine : kEngines) {
    EXPECT_EQ(taken(engine, request_of(Dtype::kFloat32)), engine == kEngines[0] ? "eng0" : engine);
  }
}

TEST_F(CudnnTuningTest, SaysWhyIfAllEnginesFail) {
  const Variable broken("FAKE_CUDNN_BROKEN", "all");
  Tuned tuned(request_of(Dtype::kFloat32));
  try {
    tuned.tune();
    FAIL() << "one of them did not fail";
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("CUDNN_STATUS_EXECUTION_FAILED: a broken engine"));
  }
}

TEST_F(CudnnTuningTest, TakesWhatHeuristicsPutFirstIfNothingWasTried) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng2");
  Tuned tuned(request_of(Dtype::kFloat32));
  EXPECT_EQ(tuned.launch(), kEngines[0]);
  EXPECT_EQ(tuned.plan().path(), "") << "nothing was chosen";
}

TEST_F(CudnnTuningTest, TriesNoMoreThanItsTimeAllows) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng2");
  const Cudnn& cudnn = cudnn_library().functions;
  const CudnnHandle handle(cudnn);
  const Stream stream;
  CONVSCALE_CHECK_CUDNN(cudnn, cudnnSetStream, handle.get(), stream.get());
  CudnnConvolution convolution(cudnn, {.handle = handle.get()}, kShape, Dtype::kFloat32, {},
                               1 << 20);
  EXPECT_EQ(convolution.engines(), kEngines) << "one is missing, or there twice";
  const std::int64_t images = kShape.images * size_of(Dtype::kFloat32);
  const DeviceBuffer d_images(images * kShape.pixels()), d_filters(images * kShape.taps()),
      d_outputs(images * kShape.outputs()), d_workspace(convolution.workspace_bytes());
  convolution.tune(handle.get(), stream.get(),
                   {d_images.data(), d_filters.data(), d_outputs.data(), d_workspace.data()},
                   /*budget_s=*/-1);
  EXPECT_THAT(convolution.engines(), ElementsAre(kEngines[0]));
  EXPECT_EQ(standin::calls("cudaLaunchHostFunc"), 2) << "once untimed, once timed";
}

TEST_F(CudnnTuningTest, PlansAndTriesOnceForAllStreams) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng2");
  const Request request = request_of(Dtype::kFloat32);
  Tuned first(request);
  const int planned = plans_of_cudnn();  // for three images, and for two
  first.tune();
  Tuned second(request, first.plan().for_another_stream());
  const std::int64_t executed = standin::calls("cudaLaunchHostFunc");
  second.tune();
  EXPECT_EQ(standin::calls("cudaLaunchHostFunc"), executed);
  EXPECT_EQ(second.launch(), "eng2");
  EXPECT_EQ(first.launch(), "eng2");
  second.tune(2);
  EXPECT_GT(standin::calls("cudaLaunchHostFunc"), executed + 2) << "two images are another matter";
  EXPECT_EQ(first.launch(2), "eng2");
  EXPECT_EQ(plans_of_cudnn(), planned);
}

}  // namespace
}  // namespace convscale::cuda
