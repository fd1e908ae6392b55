// SPDX-License-Identifier: Apache-2.0
#include "common/vocabulary.hpp"

#include <gtest/gtest.h>

namespace convscale {
namespace {

static_assert(size_of(Dtype::kFloat64) == sizeof(double));
static_assert(size_of(Dtype::kFloat32) == sizeof(float));

// The order of names and enumerators, where a report of every figure does not show it.
static_assert(name_of(Fill::kZeros) == "zeros" && name_of(Fill::kIntegers) == "integers");
static_assert(name_of(Fill::kFile) == "file" && name_of(Schedule::kDynamic) == "dynamic");
static_assert(name_of(Schedule::kSplit) == "split" && name_of(Bind::kCompact) == "compact");
static_assert(name_of(Bind::kNone) == "none");

static_assert(!from_name<Dtype>("float16") && !from_name<Dtype>("Float64"));
static_assert(!from_name<Dtype>("float6") && !from_name<Method>(""));

template <class E>
void expect_round_trip() {
  for (std::size_t i = 0; i < kNames<E>.size(); ++i)
    EXPECT_EQ(from_name<E>(kNames<E>[i]), static_cast<E>(i)) << kNames<E>[i];
}

TEST(Vocabulary, EveryNameIsReadBack) {
  expect_round_trip<Dtype>();
  expect_round_trip<Method>();
  expect_round_trip<Scope>();
  expect_round_trip<Fill>();
  expect_round_trip<Schedule>();
  expect_round_trip<Bind>();
  expect_round_trip<HostMemory>();
  expect_round_trip<Distribute>();
}

}  // namespace
}  // namespace convscale
