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
#define CONVSCALE_ENTRY(kernel) kernel##_kernel,
CONVSCALE_CUDA_KERNELS(CONVSCALE_DECLARE)

std::span<const Kernel> kernels() {
  static const Kernel kTable[] = {CONVSCALE_CUDA_KERNELS(CONVSCALE_ENTRY)};
  return kTable;
}

}  // namespace convscale::cuda
