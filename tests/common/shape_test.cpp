// SPDX-License-Identifier: Apache-2.0
#include "common/shape.hpp"

#include <gtest/gtest.h>

namespace convscale {
namespace {

constexpr Shape kDefault{.images = 33, .height = 1000, .width = 1000, .filter_size = 4, .stride = 5};

static_assert(kDefault.full_height() == 1003);
static_assert(kDefault.out_width() == 201);
static_assert(flops(kDefault, Method::kFull) == 2LL * 16 * 1000 * 1000 * 33);

TEST(Shape, OutputsOfTheDefaultJob) { EXPECT_EQ(kDefault.images * kDefault.outputs(), 1333233); }

}  // namespace
}  // namespace convscale
