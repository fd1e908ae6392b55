// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernel_table.hpp"

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
#define CONVSCALE_ENTRY(kernel) limited(kernel##_kernel),
CONVSCALE_CUDA_KERNELS(CONVSCALE_DECLARE)

/// What none of them does yet is refused here.
static Kernel limited(Kernel kernel) {
  kernel.refuses = [refuses = kernel.refuses](const Request& request) -> std::string {
    const Shape& s = request.shape;
    if (s.filter_size.height != s.filter_size.width) return "it does square filters only";
    if (s.mode != Mode::kFull) return "it does mode full only";
    return refuses ? refuses(request) : "";
  };
  return kernel;
}

std::span<const Kernel> kernels() {
  static const Kernel kTable[] = {CONVSCALE_CUDA_KERNELS(CONVSCALE_ENTRY)};
  return kTable;
}

}  // namespace convscale::cuda
