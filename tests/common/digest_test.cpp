// SPDX-License-Identifier: Apache-2.0
#include "common/digest.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace convscale {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The finaliser of SplitMix64: the first outputs from state 0.
static_assert(mix64(0) == 0 && mix64(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF);
static_assert(mix64(2 * 0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4);

template <class T>
Digest digest(const std::vector<T>& values, std::uint64_t first = 0) {
  return digest_of(std::span<const T>(values), first);
}

// docs/workload.md publishes these. Made by a second implementation, in another language.
static_assert(digest_term(0, 0.0) == 0x48218226ff3cd4bf);
static_assert(digest_term(0, 1.0) == 0x822de42c3d761c35);
static_assert(digest_term(1, 1.0) == 0xe8a0ce4763d4be12);
static_assert(digest_term(1333232, -2.5) == 0x069e9b79281ad6bc);
static_assert(digest_term(std::uint64_t{1} << 40, 0.1) == 0xc68eff3faecbd411);
static_assert(digest_term(7, kNan) == 0x4fe718b488933e70);
static_assert(digest_term(7, kInfinity) == 0x5d5f7db9418cf3a8);
static_assert(digest_term(UINT64_MAX, -1.0) == 0xeaf1d33a9a65cefc);

TEST(Digest, PublishedSums) {
  const std::vector<double> values{1.0, -2.5, 0.0, kNan};
  EXPECT_EQ(digest(values), (Digest{0xb14be9b84c415a31, 0}));
  EXPECT_EQ(digest(values, 1000), (Digest{0xe9f8714bc95f9061, 0}));
  EXPECT_EQ(digest(std::vector<double>{}), Digest{});
}

TEST(Digest, ZerosAndNansHaveOneForm) {
  EXPECT_EQ(digest_term(3, -0.0), digest_term(3, 0.0));
  EXPECT_EQ(digest_term(3, -0.0F), digest_term(3, 0.0));
  EXPECT_EQ(digest_term(3, -kNan), digest_term(3, kNan));
  EXPECT_EQ(digest_term(3, std::bit_cast<double>(0x7ff0'0000'0000'0001)), digest_term(3, kNan));
  EXPECT_EQ(digest_term(3, std::bit_cast<float>(0xffc0'1234)), digest_term(3, kNan));
  EXPECT_NE(digest_term(3, kInfinity), digest_term(3, kNan));
  EXPECT_NE(digest_term(3, kInfinity), digest_term(3, -kInfinity));
}

TEST(Digest, Float32AndFloat64OfExactValuesAreEqual) {
  std::mt19937_64 random(testing::test_seed());
  std::vector<float> narrow{0.0F, -0.0F, std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::infinity()};
  for (int i = 0; i < 1000; ++i)
    narrow.push_back(static_cast<float>(static_cast<int>(random() % 2'000'001) - 1'000'000));
  const std::vector<double> wide(narrow.begin(), narrow.end());
  EXPECT_EQ(digest(narrow, 11), digest(wide, 11));
  EXPECT_NE(digest_term(0, 0.1F), digest_term(0, 0.1));
}

std::vector<double> random_values(std::mt19937_64& random, std::size_t count) {
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

TEST(Digest, PartsAddUpInAnyOrder) {
  std::mt19937_64 random(testing::test_seed());
  const std::vector<double> values = random_values(random, 1000);
  const std::span<const double> all(values);
  constexpr std::uint64_t kFirst = 77;
  std::vector<std::size_t> cuts{0, 1, 250, 251, 900, 1000};
  std::vector<Digest> parts;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
    parts.push_back(digest_of(all.subspan(cuts[i], cuts[i + 1] - cuts[i]), kFirst + cuts[i]));
  std::shuffle(parts.begin(), parts.end(), random);
  Digest sum;
  for (const Digest& part : parts) sum += part;
  EXPECT_EQ(sum, digest_of(all, kFirst));
}

TEST(Digest, TellsPermutationsShiftsAndOneBitApart) {
  std::mt19937_64 random(testing::test_seed());
  const std::vector<double> values = random_values(random, 200);
  const Digest original = digest(values);
  EXPECT_NE(digest(values, 1), original);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> other = values;
    std::swap(other[static_cast<std::size_t>(trial)],
              other[(static_cast<std::size_t>(trial) + 1) % other.size()]);
    ASSERT_NE(digest(other), original) << "swapped " << trial;
    other = values;
    double& changed = other[static_cast<std::size_t>(trial)];
    changed = std::bit_cast<double>(bits_of(changed) ^ std::uint64_t{1} << (trial % 64));
    ASSERT_NE(digest(other), original) << "bit " << trial % 64;
  }
}

template <class T>
class Poison : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Poison, Types);

TYPED_TEST(Poison, IsANanThatArithmeticDoesNotMake) {
  const auto poison = poison_value<TypeParam>();
  EXPECT_TRUE(std::isnan(poison));
  EXPECT_EQ(bits_of(poison), kPoisonBits<TypeParam>);
  EXPECT_NE(bits_of(std::numeric_limits<TypeParam>::quiet_NaN()), kPoisonBits<TypeParam>);
  EXPECT_NE(bits_of(-std::numeric_limits<TypeParam>::quiet_NaN()), kPoisonBits<TypeParam>);
}

TYPED_TEST(Poison, IsCountedOtherNansAreNot) {
  const auto poison = poison_value<TypeParam>();
  const auto nan = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(digest(std::vector<TypeParam>{1, poison, nan, 0, poison}).unwritten, 2);
  EXPECT_EQ(digest(std::vector<TypeParam>{1, nan, -nan}).unwritten, 0);
  // It is a NaN like others to the value, so the count alone tells.
  EXPECT_EQ(digest(std::vector<TypeParam>{poison}).value,
            digest(std::vector<TypeParam>{nan}).value);
  Digest sum{1, 2};
  sum += Digest{UINT64_MAX, 3};
  EXPECT_EQ(sum, (Digest{0, 5}));
}

}  // namespace
}  // namespace convscale
