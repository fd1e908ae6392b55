// SPDX-License-Identifier: Apache-2.0
#include "cuda/check.hpp"

#include "common/error.hpp"

#include <fmt/format.h>

#include <string_view>

namespace convscale::cuda {

std::string place_of(const char* call, const char* file, int line) {
  // The compiler's __FILE__ may be absolute; "cuda/backend.cpp" says enough.
  const std::string_view path = file;
  const auto folder = path.rfind("cuda/");
  return fmt::format("{}:{}: {}", folder == std::string_view::npos ? path : path.substr(folder),
                     line, call);
}

void check(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  ignore(cudaGetLastError());  // a later call must not report it again
  throw ResourceError(
      fmt::format("{}: {} ({}){}", place_of(call, file, line), cudaGetErrorString(error),
                  cudaGetErrorName(error),
                  error == cudaErrorMemoryAllocation
                      ? "; a smaller --mem, or fewer programs on the device, would do"
                      : ""));
}

}  // namespace convscale::cuda
