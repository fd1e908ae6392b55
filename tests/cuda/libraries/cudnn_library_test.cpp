// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_library.hpp"

#include "cuda/libraries/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::convscale::testing::Variable;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CudnnLibraryTest, SaysWhatIsMissing) {
  const std::vector<std::string> nowhere = {"libconvscale-none.so.9", "/nowhere/libcudnn.so.9"};
  const CudnnLibrary library = load_cudnn(nowhere);
  EXPECT_THAT(library.missing, HasSubstr("libcudnn.so.9 was not found"));
  EXPECT_THAT(library.missing, HasSubstr("libconvscale-none.so.9: cannot open"));
  EXPECT_THAT(library.missing, HasSubstr("CUDNN_PATH"));
  EXPECT_EQ(library.functions.cudnnCreate, nullptr);
}

TEST(CudnnLibraryTest, SaysWhyALibraryThatIsThereDoesNotLoad) {
  const std::vector<std::string> broken = {"libconvscale-none.so.9", "/proc/self/status"};
  EXPECT_THAT(load_cudnn(broken).missing, HasSubstr("/proc/self/status: "));
}

TEST(CudnnLibraryTest, IsNotALibraryThatLacksItsFunctions) {
  const std::vector<std::string> other = {"libm.so.6"};
  EXPECT_THAT(load_cudnn(other).missing, HasSubstr("libm.so.6 has no cudnnGetVersion"));
  const std::vector<std::string> and_another = {"libm.so.6", "libcudnn.so.9"};
  EXPECT_THAT(load_cudnn(and_another).missing, IsEmpty());
}

TEST(CudnnLibraryTest, IsNotAnotherMajorVersion) {
  const std::vector<std::string> candidates = {"libcudnn.so.9"};
  for (const char* version : {"8907", "100000"}) {
    const Variable variable("FAKE_CUDNN_VERSION", version);
    EXPECT_THAT(load_cudnn(candidates).missing,
                HasSubstr(std::string("of version number ") + version + "; version 9 is needed"));
  }
}

TEST(CudnnLibraryTest, IsFoundAndNamesItsVersion) {
  EXPECT_THAT(cudnn_library().missing, IsEmpty());
  EXPECT_EQ(cudnn_version(), "9.1.2");  // the fake's
  EXPECT_THAT(cudnn_library().file, EndsWith("/libcudnn.so.9"));
}

}  // namespace
}  // namespace convscale::cuda
