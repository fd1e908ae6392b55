// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/launch.hpp"
#include "cuda/resources.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

/// Faults planted in small programs for a device, each with a twin that has none: kFaulty is the
/// only difference. A run returns whether its data came out right.
namespace convscale::cuda::planted {

/// `count` numbers 0, 1, 2, ... on the device.
struct Numbers {
  explicit Numbers(int numbers)
      : count(numbers), host(static_cast<std::size_t>(numbers)), device(bytes()) {
    std::iota(host.begin(), host.end(), 0);
    CONVSCALE_CUDA(
        cudaMemcpy(data(), host.data(), static_cast<std::size_t>(bytes()), cudaMemcpyHostToDevice));
    CONVSCALE_CUDA(cudaDeviceSynchronize());
  }
  std::int64_t bytes() const { return count * static_cast<std::int64_t>(sizeof(int)); }
  int* data() const { return reinterpret_cast<int*>(device.data()); }
  std::vector<int> fetched() const {
    std::vector<int> numbers(host.size());
    CONVSCALE_CUDA(cudaMemcpy(numbers.data(), data(), static_cast<std::size_t>(bytes()),
                              cudaMemcpyDeviceToHost));
    return numbers;
  }

  int count;
  std::vector<int> host;
  DeviceBuffer device;
};

bool missing_barrier(bool faulty);
bool missing_warp_barrier(bool faulty);
bool shuffle_for_barrier(bool faulty);
bool early_reuse(bool faulty);
bool global_overrun(bool faulty);
bool dynamic_shared_overrun(bool faulty);
bool static_shared_overrun(bool faulty);
bool misaligned_load(bool faulty);
bool barrier_in_a_branch(bool faulty);
bool two_barriers(bool faulty);
bool shuffle_from_nobody(bool faulty);
bool missing_wait(bool faulty);
bool missing_event(bool faulty);
bool overwritten_source(bool faulty);
bool upload_under_way(bool faulty);
bool blocks_that_race(bool faulty);
bool freed_in_kernel(bool faulty);
bool freed_in_copy(bool faulty);

}  // namespace convscale::cuda::planted
