// SPDX-License-Identifier: Apache-2.0
#include "common/buffer.hpp"

#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace convscale {
namespace {

TEST(PageBuffer, IsZeroFilledStartsOnAPageAndIsWritableToTheEnd) {
  constexpr std::int64_t kLarge = (std::int64_t{5} << 20) + 8;
  for (const std::int64_t bytes :
       {std::int64_t{1}, std::int64_t{100}, std::int64_t{4096}, kLarge}) {
    const PageBuffer buffer(bytes, "images");
    EXPECT_EQ(buffer.bytes(), bytes);
    const std::int64_t alignment = bytes == kLarge ? 2 << 20 : page_bytes();  // of a huge page
    EXPECT_EQ(reinterpret_cast<std::intptr_t>(buffer.data()) % alignment, 0);
    const auto all = buffer.as<std::byte>();
    EXPECT_EQ(std::count(all.begin(), all.end(), std::byte{0}), bytes);
    all.back() = std::byte{1};
    EXPECT_EQ(std::ssize(buffer.as<double>()), bytes / 8);
  }
  EXPECT_TRUE(PageBuffer(0, "images").as<double>().empty());
}

TEST(PageBuffer, MovesItsMemory) {
  PageBuffer first(64, "images");
  first.as<int>()[3] = 7;
  const std::byte* data = first.data();
  PageBuffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second.as<int>()[3], 7);
  PageBuffer third;
  EXPECT_TRUE(third.as<int>().empty());
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.bytes(), 64);
}

TEST(PageBuffer, RefusalNamesThePurpose) {
  EXPECT_THAT(
      testing::message_of<ResourceError>([] { PageBuffer(std::int64_t{1} << 62, "results"); }),
      ::testing::AllOf(::testing::HasSubstr("results"),
                       ::testing::HasSubstr("4611686018427387904")));
}

}  // namespace
}  // namespace convscale
