// SPDX-License-Identifier: Apache-2.0
// What tests ask the fake cuDNN, which is loaded when the kernel is first asked for.
#pragma once

#include "cuda/kernel.hpp"
#include "cuda/libraries/environment.hpp"
#include "support.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace convscale::testing {

/// The result of a function of the fake; `otherwise` where no cuDNN is loaded.
template <class Result>
Result ask_fake_cudnn(const char* function, Result otherwise) {
  void* library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return otherwise;
  const auto asked = reinterpret_cast<Result (*)()>(dlsym(library, function));
  dlclose(library);
  if (asked == nullptr) {
    ADD_FAILURE() << "the cuDNN that is loaded is not the fake one";
    return otherwise;
  }
  return asked();
}

/// Handles and descriptors.
inline int live_in_cudnn() { return ask_fake_cudnn("fake_cudnn_live", 0); }
/// Plans that were made so far.
inline int plans_of_cudnn() { return ask_fake_cudnn("fake_cudnn_plans", 0); }
/// The engine that was executed last.
inline std::string executed_by_cudnn() {
  return ask_fake_cudnn<const char*>("fake_cudnn_executed", "");
}

}  // namespace convscale::testing

namespace convscale::cuda {

extern const Kernel cudnn_kernel;

/// Nothing is left of what was made. Times are those that the fake's engines say they take.
class CudnnTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudnn_kernel.missing(), "");
    const std::uint64_t seed = convscale::testing::test_seed();
    standin::reset({.seed = seed, .elapsed_ms = 1});
  }
  void TearDown() override {
    EXPECT_THAT(standin::faults(), ::testing::IsEmpty());
    EXPECT_EQ(convscale::testing::live_in_cudnn(), 0) << "handles or descriptors of cuDNN are left";
  }
};

inline Request request_of(const Shape& shape, Method method, Dtype dtype,
                          const Alignment& alignment = {}) {
  Request request{{shape, method, dtype}, {}, alignment};
  request.device.compute_capability = 90;
  request.device.l2_bytes = 50 << 20;
  return request;
}

}  // namespace convscale::cuda
