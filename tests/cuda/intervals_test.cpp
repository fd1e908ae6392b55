// SPDX-License-Identifier: Apache-2.0
#include "cuda/intervals.hpp"

#include <gtest/gtest.h>

namespace convscale::cuda {
namespace {

TEST(Intervals, UnionCountsOverlapsOnce) {
  EXPECT_EQ(length_of_union({}), 0);
  EXPECT_EQ(length_of_union({{1, 3}}), 2);
  EXPECT_EQ(length_of_union({{1, 3}, {2, 5}}), 4);
  EXPECT_EQ(length_of_union({{2, 5}, {1, 3}}), 4) << "in any order";
  EXPECT_EQ(length_of_union({{1, 3}, {4, 6}}), 4) << "gaps do not count";
  EXPECT_EQ(length_of_union({{1, 9}, {2, 3}, {4, 5}}), 8) << "one inside of another";
  EXPECT_EQ(length_of_union({{1, 3}, {3, 4}, {1, 3}}), 3);
}

}  // namespace
}  // namespace convscale::cuda
