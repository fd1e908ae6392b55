// SPDX-License-Identifier: Apache-2.0
// A ceiling is an amount over a time. The stand-in gives the time, and counts the amounts.
#include "cuda/ceilings.hpp"

#include "cuda/ceiling_meter.hpp"
#include "cuda/driven.hpp"
#include "cuda/fma_chains.hpp"
#include "standin.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
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
  static constexpr float kElapsedMs = 64;  // a power of two, so that rates are exact
  void SetUp() override { standin::reset(options_); }
  standin::Options options_{.memory_bytes = std::size_t{1} << 27, .elapsed_ms = kElapsedMs};
  static constexpr std::int64_t kMemoryBytes = std::int64_t{1} << 27;
  static constexpr std::int64_t kOwnBytes = kMemoryBytes / 64, kLinkBytes = kMemoryBytes / 32;
  static constexpr std::int64_t kFlushBytes = 1 << 20;  // four caches

  static CeilingMeter meter_of(const CeilingMemory& memory, Dtype dtype = Dtype::kFloat64) {
    const DeviceLimits limits{.compute_capability = 90,
                              .multiprocessors = 2,
                              .threads_per_multiprocessor = 256,
                              .shared_bytes = 48 << 10,
                              .l2_bytes = 1 << 18};
    return {dtype, limits, kMemoryBytes, memory, CeilingMeter::Link{}};
  }
  /// What `what` moved or computed, by its rate.
  static double amount(CeilingMeter& meter, CeilingMeter::What what) {
    meter.queue(what);
    return meter.finish().value() * 1e-3 * kElapsedMs;
  }
};

/// A workload's memory.
struct Memory {
  DeviceBuffer d_images, d_results;
  std::vector<std::byte> h_images, h_results;

  Memory(std::int64_t image_bytes, std::int64_t result_bytes)
      : d_images(image_bytes),
        d_results(result_bytes),
        h_images(static_cast<std::size_t>(image_bytes), std::byte{1}),
        h_results(static_cast<std::size_t>(result_bytes), std::byte{2}) {
    CONVSCALE_CUDA(cudaMemsetAsync(d_images.data(), 3, h_images.size(), nullptr));
    CONVSCALE_CUDA(cudaMemsetAsync(d_results.data(), 4, h_results.size(), nullptr));
    CONVSCALE_CUDA(cudaDeviceSynchronize());
  }
  operator CeilingMemory() {
    const std::span<std::byte> d_up(d_images.data(), h_images.size());
    return {.d_read = d_up,
            .h_up = h_images,
            .d_up = d_up,
            .d_down = {d_results.data(), h_results.size()},
            .h_down = h_results};
  }
};

/// Data that the cache holds, data that it does not and that are few, and many.
TEST_F(StandinCeilings, ReadsWhatTheyCountHoweverManyPasses) {
  for (const std::int64_t bytes : {100'000, 1 << 20, 5 << 19}) {
    Memory memory(bytes, 4096);
    CeilingMeter meter = meter_of(memory);
    const std::int64_t before = standin::loaded_bytes() + kFlushBytes;
    const double counted = amount(meter, CeilingMeter::What::kRead);
    EXPECT_DOUBLE_EQ(counted, static_cast<double>(standin::loaded_bytes() - before)) << bytes;
    EXPECT_GE(counted, 4.0 * kOwnBytes) << "so much that no cache helps";
    EXPECT_LE(counted, 5.0 * kOwnBytes);
  }
}

/// Whole pieces, a part of one, and a part of a block.
TEST_F(StandinCeilings, ReadsEachByteOnceAPass) {
  for (const std::int64_t vectors : {1, 255, 257, 2048, 2049, 5000, 12345}) {
    const DeviceBuffer data(vectors * 16), sink(8);
    const DeviceLimits limits{.multiprocessors = 2};
    const Stream stream;
    const std::int64_t before = standin::loaded_bytes();
    queue_reads(data.data(), data.bytes(), 3, sink.data(), limits, stream.get());
    stream.synchronize();
    EXPECT_EQ(standin::loaded_bytes() - before, 3 * data.bytes());
  }
}

TEST_F(StandinCeilings, CopiesAreWhatTheyCount) {
  using What = CeilingMeter::What;
  for (const std::int64_t bytes : {std::int64_t{4096}, kLinkBytes / 2, 3 * kLinkBytes}) {
    for (const What what : {What::kUp, What::kDown, What::kBothWays}) {
      Memory memory(bytes, bytes);
      CeilingMeter meter = meter_of(memory);
      const standin::Copied before = standin::copied();
      const double counted = amount(meter, what);
      const standin::Copied after = standin::copied();
      const std::int64_t up = after.up - before.up, down = after.down - before.down;
      EXPECT_DOUBLE_EQ(counted, static_cast<double>(up + down));
      EXPECT_EQ(up, what == What::kDown ? 0 : kLinkBytes);
      EXPECT_EQ(down, what == What::kUp ? 0 : kLinkBytes);
    }
  }
}

TEST_F(StandinCeilings, CopiesGoThroughTheWorkloadWhereItIsLargeEnough) {
  for (const std::int64_t bytes : {std::int64_t{4096}, kLinkBytes}) {
    Memory memory(bytes, bytes);
    CeilingMeter meter = meter_of(memory);
    amount(meter, CeilingMeter::What::kBothWays);
    std::byte up{};
    CONVSCALE_CUDA(cudaMemcpy(&up, memory.d_images.data(), 1, cudaMemcpyDeviceToHost));
    const bool is_large = bytes == kLinkBytes;
    EXPECT_EQ(up, is_large ? std::byte{1} : std::byte{3});
    EXPECT_EQ(memory.h_results.back(), is_large ? std::byte{4} : std::byte{2});
    EXPECT_EQ(memory.h_images.back(), std::byte{1}) << "the inputs stay";
    EXPECT_EQ(standin::live().registrations, is_large ? 0 : 1);
  }
}

TEST_F(StandinCeilings, CopiesOnTheDeviceCountBothWays) {
  Memory memory(4096, 4096);
  CeilingMeter meter = meter_of(memory);
  const std::int64_t before = standin::copied().across;
  const double counted = amount(meter, CeilingMeter::What::kCopy);
  EXPECT_DOUBLE_EQ(counted, 2.0 * static_cast<double>(standin::copied().across - before));
  EXPECT_DOUBLE_EQ(counted, 4.0 * kOwnBytes);
}

TEST_F(StandinCeilings, AFlushReadsSeveralCaches) {
  Memory memory(4096, 4096);
  const CeilingMeter meter = meter_of(memory);
  const Stream stream;
  const std::int64_t before = standin::loaded_bytes();
  meter.queue_flush(stream.get());
  stream.synchronize();
  EXPECT_EQ(standin::loaded_bytes() - before, kFlushBytes);
}

/// A device that waits for the host between the events would make a ceiling low: what keeps it busy
/// meanwhile comes before them.
TEST_F(StandinCeilings, KernelsAreQueuedBehindWorkThatIsNotTimed) {
  constexpr double kLaunchMs = 0.5;
  standin::reset({.memory_bytes = kMemoryBytes, .costs_ms = {{"cudaLaunchKernelEx", kLaunchMs}}});
  Memory memory(4096, 4096);
  CeilingMeter meter = meter_of(memory);
  for (const CeilingMeter::What what : {CeilingMeter::What::kRead, CeilingMeter::What::kFma}) {
    const std::size_t before = standin::launches().size();
    meter.queue(what);
    meter.finish();
    EXPECT_EQ(standin::launches().size() - before, 2u);
    EXPECT_DOUBLE_EQ(meter.seconds(), 1e-3 * kLaunchMs);
  }
}

TEST_F(StandinCeilings, FlopsAreTwoForEachMultiplyAddOfAThread) {
  Counted::products = Counted::sums = 0;
  fma_chains<Counted>(0.0, 0.5);
  EXPECT_GE(Counted::products, 1000);
  EXPECT_LE(Counted::sums - Counted::products, 8) << "each product is added";
  for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
    Memory memory(4096, 4096);
    CeilingMeter meter = meter_of(memory, dtype);
    const double counted = amount(meter, CeilingMeter::What::kFma);
    const standin::Launch launch = standin::launches().back();
    const std::int64_t threads = std::int64_t{launch.grid.x} * launch.block.x;
    EXPECT_EQ(threads, 2 * 256) << "all that the device holds";
    EXPECT_DOUBLE_EQ(counted, 2.0 * static_cast<double>(threads * Counted::products));
    const bool is_float = launch.kernel.find("float") != std::string::npos;
    EXPECT_EQ(is_float, dtype == Dtype::kFloat32) << launch.kernel;
  }
}

TEST_F(StandinCeilings, OfSeveralDevicesAddUp) {
  const auto peak_of = [&](int devices) {
    options_.devices = devices;
    standin::reset(options_);
    Config config = small();
    config.devices = {};
    Driven<double> driven(config);
    return driven.measure_ceilings();
  };
  const Ceilings one = peak_of(1), three = peak_of(3);
  EXPECT_DOUBLE_EQ(*three.copy_bytes_per_s, 3 * *one.copy_bytes_per_s);
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
    standin::reset(options_);
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
    EXPECT_LT(standin::copied().up - before.up, driven.finish().transfer.up_bytes);
    EXPECT_EQ(driven.verified().status, VerificationStatus::kFailed) << images;
  }
}

}  // namespace
}  // namespace convscale::cuda
