// SPDX-License-Identifier: Apache-2.0
// A ceiling is an amount over a time. The stand-in gives the time, and counts the amounts.
#include "cuda/ceilings.hpp"

#include "cuda/backend.hpp"
#include "cuda/ceiling_meter.hpp"
#include "cuda/driven.hpp"
#include "cuda/fma_chains.hpp"
#include "standin.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace convscale::cuda {
namespace {

/// A number whose products and sums are counted.
struct Counted {
  static inline std::int64_t products = 0, sums = 0;
  double value = 0;

  Counted() = default;
  Counted(double x) : value(x) {}
  friend Counted operator*(Counted a, Counted b) {
    ++products;
    return a.value * b.value;
  }
  friend Counted operator+(Counted a, Counted b) {
    ++sums;
    return a.value + b.value;
  }
  Counted& operator+=(Counted b) {
    value += b.value;
    return *this;
  }
};

class StandinCeilings : public ::testing::Test {
 protected:
  static constexpr float kElapsedMs = 2;  // a power of two, so that rates are exact
  void SetUp() override { standin::reset(options_); }
  void TearDown() override { standin::reset(); }
  standin::Options options_{.memory_bytes = std::size_t{1} << 29, .elapsed_ms = kElapsedMs};

  /// What `what` moved or computed, by its rate.
  static double amount(CeilingMeter::What what, std::int64_t data_bytes, Dtype dtype) {
    const DeviceLimits limits{.compute_capability = 90,
                              .multiprocessors = 2,
                              .threads_per_multiprocessor = 256,
                              .shared_bytes = 48 << 10,
                              .l2_bytes = 1 << 20};
    CeilingMeter meter(dtype, limits, HostMemory::kPinned, std::nullopt, 1 << 29);
    const DeviceBuffer data(data_bytes);
    meter.queue(what, data.data(), data.bytes());
    return meter.finish().value() * 1e-3 * kElapsedMs;
  }
};

/// A buffer that the cache holds, one that it does not and that is too small, and one that is
/// large.
TEST_F(StandinCeilings, ReadsWhatTheyCountHoweverManyPasses) {
  for (const std::int64_t bytes : {100'000, 3 << 20, 32 << 20}) {
    const std::int64_t before = standin::loaded_bytes();
    const double counted = amount(CeilingMeter::What::kRead, bytes, Dtype::kFloat64);
    EXPECT_DOUBLE_EQ(counted, static_cast<double>(standin::loaded_bytes() - before)) << bytes;
  }
}

TEST_F(StandinCeilings, CopiesAreWhatTheyCount) {
  using What = CeilingMeter::What;
  for (const What what : {What::kUp, What::kDown, What::kBothWays}) {
    // The meter itself uploads as much as a copy when it is made.
    const standin::Copied before = standin::copied();
    const double counted = amount(what, 4096, Dtype::kFloat64);
    const standin::Copied after = standin::copied();
    const std::int64_t made = (std::int64_t{32} << 20);
    EXPECT_DOUBLE_EQ(counted,
                     static_cast<double>(after.up - before.up - made + (after.down - before.down)));
    EXPECT_EQ(after.up - before.up > made, what != What::kDown);
    EXPECT_EQ(after.down > before.down, what != What::kUp);
  }
}

TEST_F(StandinCeilings, FlopsAreTwoForEachMultiplyAddOfAThread) {
  Counted::products = Counted::sums = 0;
  fma_chains<Counted>(0.0, 0.5);
  EXPECT_GE(Counted::products, 1000);
  EXPECT_LE(Counted::sums - Counted::products, 8) << "each product is added";
  for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
    const double counted = amount(CeilingMeter::What::kFma, 4096, dtype);
    const standin::Launch launch = standin::launches().back();
    const std::int64_t threads = std::int64_t{launch.grid.x} * launch.block.x;
    EXPECT_EQ(threads, 2 * 256) << "all that the device holds";
    EXPECT_DOUBLE_EQ(counted, 2.0 * static_cast<double>(threads * Counted::products));
    const bool is_float = launch.kernel.find("float") != std::string::npos;
    EXPECT_EQ(is_float, dtype == Dtype::kFloat32) << launch.kernel;
  }
}

Config small() {
  Config config;
  config.backend = "cuda";
  config.shape = {9, 20, 28, 4, 5};
  config.method = Method::kStrided;
  config.num_workers = 3;
  return config;
}

TEST_F(StandinCeilings, OfSeveralDevicesAddUp) {
  const auto peak_of = [&](int devices) {
    options_.devices = devices;
    standin::reset(options_);
    Config config = small();
    config.devices = {};
    Driven<double> driven(config);
    return driven.backend().measure_ceilings();
  };
  const Ceilings one = peak_of(1), three = peak_of(3);
  EXPECT_DOUBLE_EQ(*three.peak_flops_per_s, 3 * *one.peak_flops_per_s);
  EXPECT_DOUBLE_EQ(*three.up_bytes_per_s, 3 * *one.up_bytes_per_s);
  EXPECT_DOUBLE_EQ(*three.down_bytes_per_s, 3 * *one.down_bytes_per_s);
  EXPECT_DOUBLE_EQ(*three.duplex_bytes_per_s, 3 * *one.duplex_bytes_per_s);
  EXPECT_DOUBLE_EQ(*one.duplex_bytes_per_s, *one.up_bytes_per_s + *one.down_bytes_per_s);
}

/// An upload that did not happen is found, though the device holds the data of the iteration
/// before.
TEST_F(StandinCeilings, LostUploadsAreFound) {
  for (const bool images : {true, false}) {
    standin::reset();
    Driven<double> driven(small());
    driven.iterate();
    ASSERT_EQ(driven.verified().status, VerificationStatus::kPassed);
    if (images) {
      standin::lose_uploads("cudaMemcpy2DAsync");
      standin::lose_uploads("cudaMemcpy3DAsync");
    } else {
      standin::lose_uploads("cudaMemcpyAsync");  // filters'
    }
    const standin::Copied before = standin::copied();
    driven.iterate();
    EXPECT_LT(standin::copied().up - before.up, driven.backend().facts().transfer.up_bytes);
    EXPECT_EQ(driven.verified().status, VerificationStatus::kFailed) << images;
  }
}

}  // namespace
}  // namespace convscale::cuda
