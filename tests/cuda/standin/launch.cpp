// SPDX-License-Identifier: Apache-2.0
// Launches: their limits are a device's.
#include "tests/cuda/standin/grid.hpp"
#include "tests/cuda/standin/runtime.hpp"

#include <algorithm>
#include <utility>

namespace convscale::standin {
namespace {

constexpr std::size_t kSharedBytesWithoutAsking = std::size_t{48} << 10;
constexpr unsigned kMaxBlockThreads = 1024;
constexpr unsigned kMaxBlockZ = 64;
constexpr unsigned kMaxGridX = 0x7FFFFFFF;
constexpr unsigned kMaxGridYz = 65535;

class KernelWork final : public Work {
 public:
  KernelWork(std::unique_ptr<const KernelCall> kernel, const void* function, std::string name,
             const cudaLaunchConfig_t& config, std::uint64_t seed)
      : kernel_(std::move(kernel)),
        function_(function),
        name_(std::move(name)),
        grid_(config.gridDim),
        block_(config.blockDim),
        shared_bytes_(config.dynamicSmemBytes),
        seed_(seed) {}
  cudaError_t run(char* message, std::size_t message_bytes) override {
    return run_grid({kernel_.get(), function_, name_.c_str(), grid_, block_, shared_bytes_, seed_},
                    message, message_bytes);
  }

 private:
  std::unique_ptr<const KernelCall> kernel_;
  const void* function_;
  std::string name_;
  dim3 grid_, block_;
  std::size_t shared_bytes_;
  std::uint64_t seed_;
};

std::size_t shared_limit(const Runtime& runtime, const void* function) {
  const auto found = runtime.shared_limits.find(function);
  return found == runtime.shared_limits.end() ? kSharedBytesWithoutAsking : found->second;
}

cudaError_t check(const Runtime& runtime, const cudaLaunchConfig_t& config, const void* function) {
  const dim3& block = config.blockDim;
  const dim3& grid = config.gridDim;
  if (block.x == 0 || block.y == 0 || block.z == 0 || grid.x == 0 || grid.y == 0 || grid.z == 0)
    return cudaErrorInvalidConfiguration;
  if (block.x > kMaxBlockThreads || block.y > kMaxBlockThreads || block.z > kMaxBlockZ ||
      block.x * block.y * block.z > kMaxBlockThreads) {
    return cudaErrorInvalidConfiguration;
  }
  if (grid.x > kMaxGridX || grid.y > kMaxGridYz || grid.z > kMaxGridYz)
    return cudaErrorInvalidConfiguration;
  if (config.dynamicSmemBytes > shared_limit(runtime, function)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

cudaError_t queue_launch(Runtime& runtime, const cudaLaunchConfig_t& config, const void* function,
                         std::unique_ptr<const KernelCall> kernel) {
  CUstream_st* stream = runtime.find(config.stream);
  if (stream == nullptr || stream->device != runtime.current_device())
    return cudaErrorInvalidResourceHandle;
  if (const cudaError_t error = check(runtime, config, function); error != cudaSuccess)
    return error;
  const std::string name = function_name(function);
  const std::uint64_t seed = runtime.options.seed == 0 ? 0 : runtime.random.next() | 1;
  runtime.enqueue(
      *stream, new KernelWork(std::move(kernel), function, name, config, seed),
      [&runtime, launched = Launch{name, config.gridDim, config.blockDim, config.dynamicSmemBytes,
                                   stream->device}] { runtime.launches.push_back(launched); });
  return cudaSuccess;
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t* config, const void* function,
                   std::unique_ptr<const KernelCall> call) {
  return standin::call("cudaLaunchKernelEx", Needs::kDevice, [&](Runtime& runtime) {
    return queue_launch(runtime, *config, function, std::move(call));
  });
}

}  // namespace convscale::standin

using convscale::standin::call;
using convscale::standin::Needs;
using convscale::standin::Runtime;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return call("cudaFuncSetAttribute", Needs::kDevice, [=](Runtime& runtime) {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<std::size_t>(value) > convscale::standin::kMaxSharedBytes) {
      return cudaErrorInvalidValue;
    }
    runtime.shared_limits[function] = static_cast<std::size_t>(value);
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* /*function*/) {
  return call("cudaFuncGetAttributes", Needs::kDevice, [=](Runtime& /*runtime*/) {
    attributes->maxThreadsPerBlock = convscale::standin::kMaxBlockThreads;
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* /*function*/,
                                                          int block_size, size_t dynamic_bytes) {
  return call("cudaOccupancyMaxActiveBlocksPerMultiprocessor", Needs::kDevice, [=](Runtime&) {
    constexpr std::size_t kSharedBytes = std::size_t{228} << 10, kReservedBytes = 1024;
    *blocks = std::min(convscale::standin::kThreadsPerMultiprocessor / block_size,
                       static_cast<int>(kSharedBytes / (dynamic_bytes + kReservedBytes)));
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
