// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace convscale::standin {

/// What shared memory a block may have at most.
inline constexpr std::size_t kMaxSharedBytes = std::size_t{227} << 10;
inline constexpr int kThreadsPerMultiprocessor = 256;

struct GridRun {
  const KernelCall* call = nullptr;
  const void* function = nullptr;
  const char* name = "";  ///< of the kernel, for messages
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  /// 0: blocks and threads run in their own order; else in one drawn from it.
  std::uint64_t seed = 0;
};

/// Runs all threads of all blocks, one block after another, on the calling thread; one grid at a
/// time. cudaSuccess, or what stopped it, with a line in `message`.
cudaError_t run_grid(const GridRun& run, char* message, std::size_t message_bytes);

/// The array that the production's dynamic_shared() declares, kMaxSharedBytes long.
std::byte* dynamic_shared_array();

}  // namespace convscale::standin
