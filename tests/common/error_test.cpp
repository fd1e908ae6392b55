// SPDX-License-Identifier: Apache-2.0
#include "common/error.hpp"

#include <gtest/gtest.h>

namespace convscale {
namespace {

TEST(Error, IsOneLineWhateverItQuotes) {
  EXPECT_STREQ(UsageError("--size 1\n2: \x1b[31mred\x7f\r").what(),
               R"(--size 1\n2: \x1b[31mred\x7f\x0d)");
  EXPECT_STREQ(ResourceError("cannot write für.json\\n").what(), "cannot write für.json\\n")
      << "letters of UTF-8 and backslashes stay";
}

}  // namespace
}  // namespace convscale
