// SPDX-License-Identifier: Apache-2.0
#include "common/vocabulary.hpp"

#include "common/error.hpp"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>

namespace convscale {
namespace {

static_assert(size_of(Dtype::kFloat64) == sizeof(double));
static_assert(size_of(Dtype::kFloat32) == sizeof(float));

template <class E>
void expect_round_trip() {
  for (std::size_t i = 0; i < kNames<E>.size(); ++i) {
    const auto value = static_cast<E>(i);
    EXPECT_EQ(from_name<E>(name_of(value)), value) << kNames<E>[i];
  }
}

TEST(Vocabulary, EveryNameIsReadBack) {
  expect_round_trip<Dtype>();
  expect_round_trip<Method>();
  expect_round_trip<Scope>();
  expect_round_trip<Fill>();
  expect_round_trip<Schedule>();
  expect_round_trip<Bind>();
  expect_round_trip<HostMemory>();
}

TEST(Vocabulary, NamesStandForTheirEnumerators) {
  EXPECT_EQ(name_of(Dtype::kFloat32), "float32");
  EXPECT_EQ(name_of(Method::kStrided), "strided");
  EXPECT_EQ(name_of(Scope::kEndToEnd), "end-to-end");
  EXPECT_EQ(name_of(Scope::kResident), "resident");
  EXPECT_EQ(name_of(Fill::kZeros), "zeros");
  EXPECT_EQ(name_of(Fill::kIntegers), "integers");
  EXPECT_EQ(name_of(Fill::kFile), "file");
  EXPECT_EQ(name_of(Schedule::kDynamic), "dynamic");
  EXPECT_EQ(name_of(Schedule::kSplit), "split");
  EXPECT_EQ(name_of(Bind::kCompact), "compact");
  EXPECT_EQ(name_of(Bind::kNone), "none");
  EXPECT_EQ(name_of(HostMemory::kPageable), "pageable");
}

TEST(Vocabulary, OtherNamesAreNone) {
  EXPECT_EQ(from_name<Dtype>("float16"), std::nullopt);
  EXPECT_EQ(from_name<Dtype>("Float64"), std::nullopt);
  EXPECT_EQ(from_name<Dtype>("float6"), std::nullopt);
  EXPECT_EQ(from_name<Method>(""), std::nullopt);
}

TEST(Vocabulary, DispatchCallsWithTheElementType) {
  const auto is_double = []<class T>() { return std::is_same_v<T, double>; };
  const auto bytes = []<class T>() { return sizeof(T); };
  EXPECT_TRUE(dispatch(Dtype::kFloat64, is_double));
  EXPECT_FALSE(dispatch(Dtype::kFloat32, is_double));
  EXPECT_EQ(dispatch(Dtype::kFloat32, bytes), 4u);
}

TEST(Error, CarriesItsExitCode) {
  EXPECT_EQ(UsageError("x").code(), ExitCode::kUsage);
  EXPECT_EQ(UnsupportedError("x").code(), ExitCode::kUnsupported);
  EXPECT_EQ(ResourceError("x").code(), ExitCode::kFailure);
  EXPECT_EQ(static_cast<int>(ExitCode::kUsage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::kUnsupported), 3);
  EXPECT_EQ(static_cast<int>(ExitCode::kVerification), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::kFailure), 5);
  EXPECT_EQ(static_cast<int>(ExitCode::kInterrupted), 130);
  EXPECT_STREQ(Error(ExitCode::kVerification, "what").what(), "what");
}

}  // namespace
}  // namespace convscale
