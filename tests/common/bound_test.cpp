// SPDX-License-Identifier: Apache-2.0
#include "common/bound.hpp"

#include <gtest/gtest.h>

namespace convscale {
namespace {

constexpr Shape kShape{.images = 33, .height = 1000, .width = 1000, .filter_size = 4, .stride = 5};
constexpr std::int64_t kFullBytes = 33 * 8'000'000 + 33 * 201 * 201 * 8;
constexpr std::int64_t kFullFlops = 2LL * 16 * 33'000'000;

std::optional<Bound> full_bound(const Ceilings& ceilings, const Transfer& transfer = {}) {
  return compute_bound(kShape, Method::kFull, Dtype::kFloat64, 64, ceilings, transfer);
}

TEST(Bound, NullWithoutACeiling) {
  EXPECT_FALSE(full_bound({}).has_value());
  EXPECT_FALSE(full_bound({}, {.up_bytes = 100, .down_bytes = 100}).has_value());
  EXPECT_FALSE(full_bound({.read_bytes_per_s = 0}).has_value());
}

TEST(Bound, IsTheLongestOfTheTimesThatAreKnown) {
  constexpr double kReadS = kFullBytes / 1e9, kComputeS = kFullFlops / 1e9;
  constexpr Transfer kLink{.up_bytes = 3'000'000'000, .down_bytes = 1'000'000'000},
      kNetwork{.scatter_bytes = 3'000'000'000, .gather_bytes = 1'000'000'000};
  const auto link = [](double up, double down, std::optional<double> duplex = {}) {
    return Ceilings{.read_bytes_per_s = 1e12,
                    .peak_flops_per_s = 1e12,
                    .up_bytes_per_s = up,
                    .down_bytes_per_s = down,
                    .duplex_bytes_per_s = duplex};
  };
  const auto network = [](double scatter, double gather) {
    return Ceilings{
        .read_bytes_per_s = 1e12, .scatter_bytes_per_s = scatter, .gather_bytes_per_s = gather};
  };
  const struct {
    Ceilings ceilings;
    Transfer transfer;
    const char* limit;
    double time_s;
  } cases[] = {
      {{.read_bytes_per_s = 1e9, .peak_flops_per_s = 1e12}, {}, "memory", kReadS},
      {{.read_bytes_per_s = 1e12, .peak_flops_per_s = 1e9}, {}, "compute", kComputeS},
      {{.read_bytes_per_s = 1e9}, {}, "memory", kReadS},
      {{.peak_flops_per_s = 1e9}, {}, "compute", kComputeS},
      {link(1e9, 1e9), kLink, "transfer", 3},
      {link(1e9, 0.25e9), kLink, "transfer", 4},
      {link(1e9, 1e9, 0.8e9), kLink, "transfer", 5},
      {link(1e9, 1e9, 2e9), kLink, "transfer", 3},
      {link(1, 1), {}, "compute", kFullFlops / 1e12},  // nothing goes over it
      {network(1e9, 1e9), kNetwork, "network", 3},
      {network(1e9, 0.25e9), kNetwork, "network", 4},
  };
  for (const auto& [ceilings, transfer, limit, time_s] : cases) {
    const auto bound = full_bound(ceilings, transfer);
    ASSERT_TRUE(bound);
    EXPECT_EQ(name_of(bound->limit), limit);
    EXPECT_DOUBLE_EQ(bound->time_s, time_s) << limit;
    EXPECT_EQ(bound->bytes, kFullBytes);
    EXPECT_EQ(bound->flops, kFullFlops);
    EXPECT_EQ(bound->ceilings.peak_flops_per_s, ceilings.peak_flops_per_s);
  }
}

TEST(Network, IsBothWaysOneAfterTheOther) {
  constexpr Transfer kTransfer{.scatter_bytes = 600, .gather_bytes = 400};
  EXPECT_FALSE(network_bytes_per_s({}, kTransfer));
  EXPECT_DOUBLE_EQ(
      *network_bytes_per_s({.scatter_bytes_per_s = 600, .gather_bytes_per_s = 100}, kTransfer),
      1000.0 / 5);
}

TEST(Bound, FollowsMethodDtypeAndLine) {
  const Ceilings ceilings{.read_bytes_per_s = 1e9};
  for (const Method method : {Method::kFull, Method::kStrided}) {
    for (const Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64}) {
      const auto bound = compute_bound(kShape, method, dtype, 32, ceilings);
      ASSERT_TRUE(bound);
      EXPECT_EQ(bound->bytes, least_bytes(kShape, method, dtype, 32));
      EXPECT_EQ(bound->flops, flops(kShape, method));
    }
  }
  const auto strided = compute_bound(kShape, Method::kStrided, Dtype::kFloat64, 64, ceilings);
  EXPECT_DOUBLE_EQ(strided->time_s, 0.221865864);
}

TEST(ImageBalance, IsTheShareOfTheBusiestWorker) {
  EXPECT_DOUBLE_EQ(image_balance(33, 4), 33.0 / 36);
  EXPECT_DOUBLE_EQ(image_balance(32, 4), 1);
  EXPECT_DOUBLE_EQ(image_balance(1, 64), 1.0 / 64);
}

}  // namespace
}  // namespace convscale
