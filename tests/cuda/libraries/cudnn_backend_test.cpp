// SPDX-License-Identifier: Apache-2.0
// The backend with one kernel: `cudnn` over the fake library.
#include "cuda/backend.hpp"
#include "cuda/ceiling_meter.hpp"
#include "cuda/driven.hpp"
#include "cuda/kernel_table.hpp"
#include "cuda/libraries/cudnn_fake.hpp"

#include <string>
#include <vector>

namespace convscale::cuda {

// In place of the table of the program, whose other kernels are tested elsewhere.
std::span<const Kernel> kernels() {
  static const Kernel kTable[] = {cudnn_kernel};
  return kTable;
}

namespace {

using ::convscale::testing::ask_fake_cudnn;
using ::convscale::testing::executed_by_cudnn;
using ::convscale::testing::plans_of_cudnn;
using ::convscale::testing::Variable;
using ::testing::AllOf;
using ::testing::HasSubstr;

Config config_of(const Shape& shape, Scope scope, int workers) {
  Config config = small(scope);
  config.kernel = "cudnn";
  config.shape = shape;
  config.num_workers = workers;
  return config;
}

class CudnnBackendTest : public ::testing::Test {
 protected:
  void SetUp() override { standin::reset({.elapsed_ms = 1}); }
};

TEST_F(CudnnBackendTest, TunesBeforeTheFirstIterationOnceForAllStreams) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng2");
  for (const Scope scope : {Scope::kResident, Scope::kEndToEnd}) {
    for (const Method method : {Method::kStrided, Method::kFull}) {
      for (const int workers : {1, 4}) {  // of nine images three get two, and one three
        Config config = config_of({9, 20, 28, 4, 5}, scope, workers);
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
    Driven<double> driven(config_of({9, 20, 28, 4, 5}, scope, 4));
    expect_right(driven);
    EXPECT_EQ(ask_fake_cudnn("fake_cudnn_on_nothing", -1), before) << "poison was convolved";
  }
}

TEST_F(CudnnBackendTest, TunesWhereTheBatchDoesNotFit) {
  const Variable fastest("FAKE_CUDNN_FASTEST", "eng2");
  standin::reset(
      {.memory_bytes = static_cast<std::size_t>(CeilingMeter::device_bytes(0) + (8 << 20)),
       .elapsed_ms = 1});
  Driven<double> driven(config_of({175, 51, 61, 4, 5}, Scope::kEndToEnd, 2));
  EXPECT_EQ(driven.finish().path, "eng2");
  expect_right(driven);
}

TEST_F(CudnnBackendTest, ListsTheLibraryThatItTook) {
  const std::vector<Listing> listings = cuda_backend().kernels();
  ASSERT_EQ(listings.size(), 1u);
  EXPECT_THAT(listings[0].description,
              AllOf(HasSubstr("full precision: 9.1.2, "), HasSubstr("/libcudnn.so.9")));
}

}  // namespace
}  // namespace convscale::cuda
