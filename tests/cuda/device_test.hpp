// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/config.hpp"
#include "common/generator.hpp"
#include "cuda/device.hpp"
#include "cuda/resources.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convscale::cuda {

/// Skips each test, by name, where there is no device.
class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_device(); !why.empty()) GTEST_SKIP() << why;
    CONVSCALE_CUDA(cudaSetDevice(0));
  }
};

/// Device memory with these values, for any stream.
template <class T>
DeviceBuffer on_device(const std::vector<T>& values) {
  DeviceBuffer buffer(static_cast<std::int64_t>(values.size() * sizeof(T)));
  CONVSCALE_CUDA(
      cudaMemcpy(buffer.data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  // From pageable memory it may be under way still, in the default stream, which a Stream does not
  // wait for.
  CONVSCALE_CUDA(cudaDeviceSynchronize());
  return buffer;
}

template <class T>
std::vector<T> on_host(const std::byte* d_values, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  CONVSCALE_CUDA(
      cudaMemcpy(values.data(), d_values, values.size() * sizeof(T), cudaMemcpyDeviceToHost));
  return values;
}

/// The images and filters of a generated workload.
template <class T>
struct HostWorkload {
  std::vector<T> images, filters;

  explicit HostWorkload(const Shape& s, Fill fill = Fill::kRandom, std::uint64_t seed = 0,
                        std::int64_t first_image = 0) {
    for (std::int64_t i = first_image; i < first_image + s.images; ++i) {
      for (std::int64_t e = 0; e < s.pixels(); ++e)
        images.push_back(generator::pixel<T>(fill, seed, i, e));
      for (std::int64_t e = 0; e < s.taps(); ++e)
        filters.push_back(generator::tap<T>(fill, seed, i, e));
    }
  }
};

}  // namespace convscale::cuda
