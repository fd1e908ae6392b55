// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernel_table.hpp"

#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

namespace convscale::cuda {

// A kernel's line. Each names the kernel that a file of kernels/ defines, in the order in which
// `auto` tries them.
#if defined(CONVSCALE_CUDNN)
#define CONVSCALE_CUDNN_KERNELS(X) X(cudnn)
#else
#define CONVSCALE_CUDNN_KERNELS(X)
#endif
#define CONVSCALE_CUDA_KERNELS(X) \
  X(vector)                       \
  X(rolling)                      \
  X(tiled)                        \
  X(direct)                       \
  CONVSCALE_CUDNN_KERNELS(X)      \
  X(thrust)

#define CONVSCALE_DECLARE(kernel) extern const Kernel kernel##_kernel;
#define CONVSCALE_ADDRESS(kernel) &kernel##_kernel,
CONVSCALE_CUDA_KERNELS(CONVSCALE_DECLARE)

std::span<const Kernel* const> kernels() {
  static constexpr const Kernel* kTable[] = {CONVSCALE_CUDA_KERNELS(CONVSCALE_ADDRESS)};
  return kTable;
}

namespace {

std::string why_not(const Kernel& kernel, const Request& request) {
  const std::string missing = kernel.missing == nullptr ? "" : kernel.missing();
  return missing.empty() ? kernel.refuses(request) : missing;
}

}  // namespace

const Kernel& find_kernel(std::string_view name, const Request& request,
                          std::span<const Kernel* const> kernels) {
  // A kernel is asked only if it matters: to ask one may load a library.
  std::string reason;
  for (const Kernel* kernel : kernels) {
    if (name != "auto" && name != kernel->name) continue;
    reason = why_not(*kernel, request);
    if (reason.empty()) return *kernel;
  }
  std::vector<std::string_view> names, able;
  for (const Kernel* kernel : kernels) {
    names.emplace_back(kernel->name);
    if (!reason.empty() && why_not(*kernel, request).empty()) able.emplace_back(kernel->name);
  }
  if (reason.empty()) {
    throw UsageError(fmt::format("--kernel {}: no such kernel of backend cuda; expected auto, {}",
                                 name, fmt::join(names, ", ")));
  }
  throw UnsupportedError(
      fmt::format("--kernel {}: {}; these can: auto, {}", name, reason, fmt::join(able, ", ")));
}

}  // namespace convscale::cuda
