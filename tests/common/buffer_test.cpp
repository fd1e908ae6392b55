// SPDX-License-Identifier: Apache-2.0
#include "common/buffer.hpp"

#include "common/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace convscale {
namespace {

using ::testing::HasSubstr;

TEST(PageBuffer, IsZeroFilledAndStartsOnAPage) {
  for (const std::int64_t bytes : {1, 100, 4096, 1'000'000}) {
    const PageBuffer buffer(bytes, "images");
    EXPECT_EQ(buffer.bytes(), bytes);
    EXPECT_EQ(
        reinterpret_cast<std::uintptr_t>(buffer.data()) % static_cast<std::uintptr_t>(page_bytes()),
        0u);
    const auto all = buffer.as<std::byte>();
    EXPECT_EQ(std::count(all.begin(), all.end(), std::byte{0}), bytes);
  }
}

TEST(PageBuffer, LargeOnesStartOnAHugePageAndAreWritableToTheEnd) {
  constexpr std::int64_t kBytes = (std::int64_t{5} << 20) + 8;
  const PageBuffer buffer(kBytes, "images");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % (std::uintptr_t{2} << 20), 0u);
  const auto values = buffer.as<double>();
  ASSERT_EQ(values.size(), static_cast<std::size_t>(kBytes / 8));
  EXPECT_EQ(values.back(), 0);
  values.front() = 1;
  values.back() = 2;
  EXPECT_EQ(values.front() + values.back(), 3);
}

TEST(PageBuffer, MovesItsMemory) {
  PageBuffer first(64, "images");
  first.as<int>()[3] = 7;
  const std::byte* data = first.data();
  PageBuffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second.as<int>()[3], 7);
  PageBuffer third;
  EXPECT_EQ(third.bytes(), 0);
  EXPECT_TRUE(third.as<int>().empty());
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.bytes(), 64);
}

TEST(PageBuffer, ZeroBytesAreEmpty) {
  const PageBuffer buffer(0, "images");
  EXPECT_EQ(buffer.bytes(), 0);
  EXPECT_TRUE(buffer.as<double>().empty());
}

TEST(PageBuffer, RefusalNamesThePurpose) {
  try {
    const PageBuffer buffer(std::int64_t{1} << 62, "results");
    FAIL() << "got 4 EiB";
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("results"));
    EXPECT_THAT(error.what(), HasSubstr("4611686018427387904"));
  }
}

}  // namespace
}  // namespace convscale
