// SPDX-License-Identifier: Apache-2.0
// What can be asked of the real cuDNN with no device: it plans for one that is only described.
#include "common/error.hpp"
#include "cuda/cudnn_convolution.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::testing::Each;
using ::testing::MatchesRegex;

/// An H200, as the driver describes it to cuDNN: all that 9.28 asks for, of which 9.19 ignores
/// some.
constexpr const char* kDevice = R"({"deviceVer": 900, "multiProcessorCount": 132, "warpSize": 32,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
  "reservedSharedMemoryPerBlock": 1024, "oversizedSharedMemoryPerBlock": 232448,
  "memoryBusWidth": 6144, "maxRegistersPerSM": 65536, "maxCtasPerSM": 32,
  "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "regsPerBlock": 65536,
  "totalGlobalMem": 150000000000, "smClockRateKHz": 1980000, "l2CacheSize": 62914560,
  "maxBlockSize": [1024, 1024, 64], "memClockRateKHz": 3201000,
  "maxGridSize": [2147483647, 65535, 65535], "supportCoopLaunch": 1, "pciDeviceId": 0,
  "isTccDriver": 0, "cudaDeviceId": 0, "driverVer": 13000, "deviceName": "NVIDIA H200"})";

constexpr std::int64_t kWorkspaceLimit = std::int64_t{256} << 20;

/// cuDNN 9.8 is the first that plans without a device.
constexpr std::size_t kFirstVersion = 90800;

class CudnnRealTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const CudnnLibrary& library = cudnn_library();
    if (!library.missing.empty()) GTEST_SKIP() << library.missing;
    ASSERT_GE(library.functions.cudnnGetVersion(), 90000U);
    if (library.functions.cudnnGetVersion() < kFirstVersion) {
      GTEST_SKIP() << "cuDNN " << *cudnn_version() << " plans for a device that is there only";
    }
  }

  static CudnnDescriptor device() {
    CudnnDescriptor properties(cudnn_library().functions, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    const std::string json = kDevice;
    properties.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                   std::span<const char>(json));
    properties.finalize();
    return properties;
  }

  static CudnnConvolution plan(const Shape& shape, Dtype dtype, const Alignment& alignment = {}) {
    const CudnnDescriptor properties = device();
    return {cudnn_library().functions,
            CudnnTarget{.device_properties = &properties},
            shape,
            dtype,
            alignment,
            kWorkspaceLimit};
  }
};

TEST_F(CudnnRealTest, SaysItsVersion) {
  EXPECT_THAT(*cudnn_version(), ::testing::MatchesRegex("9\\.[0-9]+\\.[0-9]+"));
}

TEST_F(CudnnRealTest, HasAnEngineThatSumsDirectly) {
  for (const Shape& shape :
       {Shape{33, 1000, 1000, 4, 5}, Shape{32, 1000, 1000, 4, 5}, Shape{8192, 256, 256, 4, 5},
        Shape{1, 1, 1, 1, 1}, Shape{3, 1, 50, 4, 3}, Shape{3, 50, 1, 31, 7},
        Shape{2, 20, 30, 31, 2}, Shape{5, 20, 30, 1, 6}, Shape{5, 20, 30, 4, 1000},
        Shape{70000, 10, 10, 3, 2}, Shape{40, 8192, 8192, 4, 5}}) {
    for (const std::int64_t stride : {shape.stride, std::int64_t{1}}) {
      for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
        SCOPED_TRACE(fmt::format("{} of {}x{}, K {}, S {}, {}", shape.images, shape.height,
                                 shape.width, shape.filter_size.height, stride, name_of(dtype)));
        Shape each = shape;
        each.stride = stride;
        EXPECT_NO_THROW(EXPECT_LE(plan(each, dtype).workspace_bytes(), kWorkspaceLimit));
      }
    }
  }
}

TEST_F(CudnnRealTest, HasSeveralEnginesToChooseFrom) {
  constexpr Alignment kWhole{kBufferAlignment, kBufferAlignment, kBufferAlignment};
  for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
    for (const Alignment& alignment : {Alignment{}, kWhole}) {
      const std::vector<std::string> names =
          plan({33, 1000, 1000, 4, 5}, dtype, alignment).engines();
      EXPECT_THAT(names, Each(MatchesRegex("eng[0-9]+(_k[0-9]+=[0-9]+)*")));
      EXPECT_GT(names.size(), 2u) << "no more than one heuristic proposes";
      EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size()) << "one is there twice";
    }
  }
}

TEST_F(CudnnRealTest, TakesNoMoreEnginesThanItIsAskedFor) {
  const CudnnDescriptor properties = device();
  const CudnnConvolution convolution(
      cudnn_library().functions, CudnnTarget{.device_properties = &properties},
      Shape{33, 1000, 1000, 4, 5}, Dtype::kFloat64, Alignment{}, kWorkspaceLimit, /*engines=*/1);
  EXPECT_THAT(convolution.engines(), ::testing::SizeIs(1));
}

TEST_F(CudnnRealTest, RefusesWhatItCannotDoWithAReason) {
  const CudnnDescriptor properties = device();
  try {
    const CudnnConvolution convolution(
        cudnn_library().functions, CudnnTarget{.device_properties = &properties},
        Shape{33, 1000, 1000, 4, 5}, Dtype::kFloat64, Alignment{}, /*workspace_limit=*/-1);
    FAIL() << "planned in less than no workspace";
  } catch (const UnsupportedError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("no engine"));
  }
}

TEST_F(CudnnRealTest, ReportsAWrongCallWithItsPlace) {
  CudnnDescriptor tensor(cudnn_library().functions, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  try {
    tensor.finalize();
    FAIL() << "an empty tensor was accepted";
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(),
                ::testing::MatchesRegex("cuda/cudnn_descriptor.cpp:[0-9]+: cudnnBackendFinalize.*"
                                        "CUDNN_STATUS_BAD_PARAM.*"));
  }
}

}  // namespace
}  // namespace convscale::cuda
