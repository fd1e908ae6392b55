// SPDX-License-Identifier: Apache-2.0
#include "common/bound.hpp"

#include <gtest/gtest.h>

namespace convscale {
namespace {

constexpr Shape kShape{.images = 33, .height = 1000, .width = 1000, .filter_size = 4, .stride = 5};
constexpr std::int64_t kFullBytes = 33 * 8'000'000 + 33 * 201 * 201 * 8;
constexpr std::int64_t kFullFlops = 2LL * 16 * 33'000'000;

Ceilings reading(double bytes_per_s) {
  Ceilings ceilings;
  ceilings.read_bytes_per_s = bytes_per_s;
  return ceilings;
}

Ceilings both(double bytes_per_s, double flops_per_s) {
  Ceilings ceilings = reading(bytes_per_s);
  ceilings.peak_flops_per_s = flops_per_s;
  return ceilings;
}

std::optional<Bound> full_bound(const Ceilings& ceilings, const Transfer& transfer = {}) {
  return compute_bound(kShape, Method::kFull, Dtype::kFloat64, 64, ceilings, transfer);
}

TEST(Bound, NullWithoutACeiling) {
  EXPECT_FALSE(full_bound({}).has_value());
  EXPECT_FALSE(full_bound({}, {.up_bytes = 100, .down_bytes = 100}).has_value());
  EXPECT_FALSE(full_bound(reading(0)).has_value());
}

TEST(Bound, MemoryWins) {
  const auto bound = full_bound(both(1e9, 1e12));
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->limit, Limit::kMemory);
  EXPECT_DOUBLE_EQ(bound->time_s, static_cast<double>(kFullBytes) / 1e9);
  EXPECT_EQ(bound->bytes, kFullBytes);
  EXPECT_EQ(bound->flops, kFullFlops);
  EXPECT_EQ(bound->ceilings.peak_flops_per_s, 1e12);
}

TEST(Bound, ComputeWins) {
  const auto bound = full_bound(both(1e12, 1e9));
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->limit, Limit::kCompute);
  EXPECT_DOUBLE_EQ(bound->time_s, static_cast<double>(kFullFlops) / 1e9);
}

TEST(Bound, OneKnownCeilingIsEnough) {
  const auto memory = full_bound(reading(1e9));
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->limit, Limit::kMemory);
  EXPECT_EQ(memory->ceilings.peak_flops_per_s, std::nullopt);
  Ceilings peak;
  peak.peak_flops_per_s = 1e9;
  const auto compute = full_bound(peak);
  ASSERT_TRUE(compute);
  EXPECT_EQ(compute->limit, Limit::kCompute);
}

TEST(Bound, EachDirectionOfTheLinkWinsInTurn) {
  constexpr Transfer kTransfer{.up_bytes = 3'000'000'000, .down_bytes = 1'000'000'000};
  const auto time = [&](double up, double down, std::optional<double> duplex) {
    const auto bound = full_bound({.read_bytes_per_s = 1e12,
                                   .peak_flops_per_s = 1e12,
                                   .up_bytes_per_s = up,
                                   .down_bytes_per_s = down,
                                   .duplex_bytes_per_s = duplex},
                                  kTransfer);
    EXPECT_EQ(bound->limit, Limit::kTransfer);
    return bound->time_s;
  };
  EXPECT_DOUBLE_EQ(time(1e9, 1e9, std::nullopt), 3);
  EXPECT_DOUBLE_EQ(time(1e9, 0.25e9, std::nullopt), 4);
  EXPECT_DOUBLE_EQ(time(1e9, 1e9, 0.8e9), 5);
  EXPECT_DOUBLE_EQ(time(1e9, 1e9, 2e9), 3);
}

TEST(Bound, EachWayOfTheNetworkWinsInTurn) {
  Transfer transfer;
  transfer.scatter_bytes = 3'000'000'000;
  transfer.gather_bytes = 1'000'000'000;
  const auto time = [&](double scatter, double gather) {
    Ceilings ceilings = both(1e12, 1e12);
    ceilings.scatter_bytes_per_s = scatter;
    ceilings.gather_bytes_per_s = gather;
    const auto bound = full_bound(ceilings, transfer);
    EXPECT_EQ(bound->limit, Limit::kNetwork);
    return bound->time_s;
  };
  EXPECT_DOUBLE_EQ(time(1e9, 1e9), 3);
  EXPECT_DOUBLE_EQ(time(1e9, 0.25e9), 4);
}

TEST(Network, IsBothWaysOneAfterTheOther) {
  Transfer transfer;
  transfer.scatter_bytes = 600;
  transfer.gather_bytes = 400;
  Ceilings ceilings;
  EXPECT_FALSE(network_bytes_per_s(ceilings, transfer));
  ceilings.scatter_bytes_per_s = 600;
  ceilings.gather_bytes_per_s = 100;
  EXPECT_DOUBLE_EQ(*network_bytes_per_s(ceilings, transfer), 1000.0 / 5);
}

TEST(Bound, NoTransferNoTransferLimit) {
  Ceilings ceilings = reading(1e9);
  ceilings.up_bytes_per_s = 1.0;
  const auto bound = full_bound(ceilings);
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->limit, Limit::kMemory);
}

TEST(Bound, FollowsMethodDtypeAndLine) {
  const Ceilings ceilings = reading(1e9);
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

TEST(Bound, NamesOfLimits) {
  EXPECT_EQ(name_of(Limit::kMemory), "memory");
  EXPECT_EQ(name_of(Limit::kCompute), "compute");
  EXPECT_EQ(name_of(Limit::kTransfer), "transfer");
  EXPECT_EQ(name_of(Limit::kNetwork), "network");
}

TEST(ImageBalance, IsTheShareOfTheBusiestWorker) {
  EXPECT_DOUBLE_EQ(image_balance(33, 4), 33.0 / 36);
  EXPECT_DOUBLE_EQ(image_balance(32, 4), 1);
  EXPECT_DOUBLE_EQ(image_balance(3, 4), 0.75);
  EXPECT_DOUBLE_EQ(image_balance(1, 64), 1.0 / 64);
  EXPECT_DOUBLE_EQ(image_balance(8192, 1), 1);
}

}  // namespace
}  // namespace convscale
