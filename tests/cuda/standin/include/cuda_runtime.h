// SPDX-License-Identifier: Apache-2.0
// A test-only stand-in for CUDA's header of this name: found first on the include path, it makes
// device code plain C++ that runs on the CPU. ../standin.hpp says how it behaves.
#pragma once

#include "cuda_runtime_api.h"
#include "standin_device.h"

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace convscale::standin {

/// A kernel and its arguments; run() is one thread of it.
class KernelCall {
 public:
  KernelCall() = default;
  virtual ~KernelCall() = default;
  KernelCall(const KernelCall&) = delete;
  KernelCall& operator=(const KernelCall&) = delete;
  virtual void run() const = 0;
};

template <class... Parameters>
class BoundKernel final : public KernelCall {
 public:
  BoundKernel(void (*kernel)(Parameters...), Parameters... arguments)
      : kernel_(kernel), arguments_(std::move(arguments)...) {}
  void run() const override { std::apply(kernel_, arguments_); }

 private:
  static_assert((!std::is_reference_v<Parameters> && ...), "a kernel's parameters are values");
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "a kernel's parameters are copied as bytes");
  void (*kernel_)(Parameters...);
  std::tuple<Parameters...> arguments_;
};

/// Queues `call` as `config` asks, or says why not.
cudaError_t launch(const cudaLaunchConfig_t* config, const void* function,
                   std::unique_ptr<const KernelCall> call);

}  // namespace convscale::standin

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  return convscale::standin::launch(
      config, reinterpret_cast<const void*>(kernel),
      std::make_unique<convscale::standin::BoundKernel<Parameters...>>(
          kernel, std::forward<Arguments>(arguments)...));
}

template <class T>
cudaError_t cudaFuncSetAttribute(T* function, cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(function), attribute, value);
}
template <class T>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, T* function) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(function));
}
template <class T>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, T function, int block_size,
                                                          size_t dynamic_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      blocks, reinterpret_cast<const void*>(function), block_size, dynamic_bytes);
}

// NOLINTEND(readability-identifier-naming)
