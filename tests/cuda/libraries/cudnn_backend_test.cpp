// SPDX-License-Identifier: Apache-2.0
// The backend with two kernels: `cudnn` over the fake library, and one that looks at what it is
// asked for and gets.
#include "cuda/backend.hpp"
#include "cuda/ceiling_meter.hpp"
#include "cuda/driven.hpp"
#include "cuda/kernel_table.hpp"
#include "cuda/libraries/cudnn_fake.hpp"

#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace convscale::cuda {
namespace {

/// What the plans of kernel `probe` saw.
struct Seen {
  std::vector<Request> requests;
  std::vector<Batch> launched;
};
Seen seen;

class Probe final : public Plan {
 public:
  void launch(const Batch& batch, cudaStream_t /*stream*/) override {
    seen.launched.push_back(batch);
  }
};

const Kernel probe_kernel{.name = "probe",
                          .description = "computes nothing",
                          .plan = [](const Request& request) -> std::unique_ptr<Plan> {
                            seen.requests.push_back(request);
                            return std::make_unique<Probe>();
                          }};

}  // namespace

// In place of the table of the program, whose other kernels are tested elsewhere.
std::span<const Kernel> kernels() {
  static const Kernel kTable[] = {probe_kernel, cudnn_kernel};
  return kTable;
}

namespace {

using ::convscale::testing::ask_fake_cudnn;
using ::convscale::testing::executed_by_cudnn;
using ::convscale::testing::plans_of_cudnn;
using ::convscale::testing::Variable;
using ::testing::AllOf;
using ::testing::HasSubstr;

Config config_of(const char* kernel, const Shape& shape, Scope scope, int workers) {
  Config config = small(scope);
  config.kernel = kernel;
  config.shape = shape;
  config.num_workers = workers;
  return config;
}

class CudnnBackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    standin::reset({.elapsed_ms = 1});
    seen = {};
  }
};

TEST_F(CudnnBackendTest, TunesBeforeTheFirstIterationOnceForAllStreams) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng2");
  for (const Scope scope : {Scope::kResident, Scope::kEndToEnd}) {
    for (const Method method : {Method::kStrided, Method::kFull}) {
      for (const int workers : {1, 4}) {  // of nine images three get two, and one three
        Config config = config_of("cudnn", {9, 20, 28, 4, 5}, scope, workers);
        config.method = method;
        const int planned = plans_of_cudnn();
        Driven<double> driven(config);
        EXPECT_EQ(driven.finish().path, "eng2");
        const int made = plans_of_cudnn() - planned;
        EXPECT_LE(made, 2 * 8) << "eight may do, for two numbers of images; " << workers;
        driven.poison();
        const std::int64_t executed = standin::calls("cudaLaunchHostFunc");
        driven.run(driven.all());
        EXPECT_EQ(standin::calls("cudaLaunchHostFunc") - executed, workers)
            << "something was tried in the timed region";
        expect_right_results(driven);
        EXPECT_EQ(executed_by_cudnn(), "eng2");
        EXPECT_EQ(plans_of_cudnn() - planned, made);
      }
    }
  }
}

TEST_F(CudnnBackendTest, TunesOnDataAlone) {
  for (const Scope scope : {Scope::kResident, Scope::kEndToEnd}) {
    const int before = ask_fake_cudnn("fake_cudnn_on_nothing", 0);
    Driven<double> driven(config_of("cudnn", {9, 20, 28, 4, 5}, scope, 4));
    expect_right(driven);
    EXPECT_EQ(ask_fake_cudnn("fake_cudnn_on_nothing", -1), before) << "poison was convolved";
  }
}

TEST_F(CudnnBackendTest, TunesWhereTheBatchDoesNotFit) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng50");
  standin::reset(
      {.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0) + (8 << 20)),
       .elapsed_ms = 1});
  // An odd number of pixels: behind one another, images would be aligned to one of them.
  Driven<double> driven(config_of("cudnn", {175, 51, 61, 4, 5}, Scope::kEndToEnd, 2));
  EXPECT_EQ(driven.finish().path, "eng50");
  expect_right(driven);
}

TEST_F(CudnnBackendTest, ListsTheLibraryThatItTook) {
  const std::vector<Listing> listings = cuda_backend().kernels();
  ASSERT_EQ(listings.size(), 2u);
  EXPECT_EQ(listings[0].description, "computes nothing");
  EXPECT_THAT(listings[1].description,
              AllOf(HasSubstr("full precision: 9.1.2, "), HasSubstr("/libcudnn.so.9")));
}

std::int64_t alignment_of(const std::byte* pointer) {
  return cuda::alignment_of(static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer)));
}

/// Runs an iteration of kernel `probe`: what it was promised is what it got, and no less.
template <class T>
void expect_exact_alignment(Config config) {
  seen = {};
  config.dtype = sizeof(T) == 8 ? Dtype::kFloat64 : Dtype::kFloat32;
  Driven<T> driven(config);
  driven.run(driven.all());
  Alignment got{kBufferAlignment, kBufferAlignment, kBufferAlignment};
  for (const Batch& batch : seen.launched) {
    got = least(got, {alignment_of(batch.d_images), alignment_of(batch.d_filters),
                      alignment_of(batch.d_results)});
  }
  ASSERT_FALSE(seen.launched.empty());
  const Alignment& promised = seen.requests.back().alignment;
  EXPECT_EQ(promised.images, got.images);
  EXPECT_EQ(promised.filters, got.filters);
  EXPECT_EQ(promised.results, got.results);
}

TEST_F(CudnnBackendTest, KernelsAreToldTheAlignmentOfTheirChunks) {
  for (const Scope scope : {Scope::kResident, Scope::kEndToEnd}) {
    for (const int workers : {1, 2, 3, 7}) {
      for (const Shape& shape : {Shape{7, 20, 28, 4, 5}, Shape{8, 16, 16, 8, 1},
                                 Shape{7, 21, 31, 3, 2}, Shape{5, 1, 1, 1, 1}}) {
        expect_exact_alignment<double>(config_of("probe", shape, scope, workers));
        expect_exact_alignment<float>(config_of("probe", shape, scope, workers));
      }
    }
  }
  // Several chunks a stream: of 16 MiB at most.
  const Shape large{5, 1031, 1021, 3, 5};
  expect_exact_alignment<double>(config_of("probe", large, Scope::kEndToEnd, 2));
  EXPECT_GT(seen.launched.size(), 2u);
  expect_exact_alignment<double>(config_of("probe", large, Scope::kResident, 2));
  EXPECT_EQ(seen.launched.size(), 2u);
}

TEST_F(CudnnBackendTest, ChunksThatHaveARoomEachAreAligned) {
  // The first in chunks of as many images as ever, the second in smaller ones.
  for (const auto& [shape, workers, mebibytes] : {std::tuple(Shape{3, 1031, 1021, 3, 5}, 1, 20),
                                                  std::tuple(Shape{175, 51, 61, 4, 5}, 2, 4)}) {
    standin::reset({.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0) +
                                                             (std::int64_t{mebibytes} << 20))});
    expect_exact_alignment<double>(config_of("probe", shape, Scope::kEndToEnd, workers));
    EXPECT_EQ(seen.requests.back().alignment,
              (Alignment{kBufferAlignment, kBufferAlignment, kBufferAlignment}));
  }
}

}  // namespace
}  // namespace convscale::cuda
