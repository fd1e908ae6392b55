// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_library.hpp"

#include "common/error.hpp"
#include "cuda/check.hpp"
#include "cuda/shared_library.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdlib>

namespace convscale::cuda {
namespace {

constexpr const char* kLibrary = "libcudnn.so.9";

/// A thousand of status codes share a cause; see CUDNN_STATUS_CATEGORY.
enum class Category { kSetup = 1, kNotSupported = 3 };

bool is_of(cudnnStatus_t status, Category category) {
  return static_cast<int>(status) / 1000 == static_cast<int>(category);
}

/// "CUDNN_STATUS_BAD_PARAM: what cuDNN says of the last error of this thread".
std::string describe(const Cudnn& cudnn, cudnnStatus_t status) {
  std::array<char, 1024> reason{};
  cudnn.cudnnGetLastErrorString(reason.data(), reason.size());
  std::string text = cudnn.cudnnGetErrorString(status);
  if (reason[0] != '\0') text += fmt::format(": {}", reason.data());
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

std::vector<std::string> cudnn_candidates() {
  std::vector<std::string> candidates = {kLibrary};
  for (const char* variable : {"CUDNN_PATH", "CUDA_HOME", "CUDA_PATH"}) {
    const char* folder = std::getenv(variable);
    if (folder == nullptr || *folder == '\0') continue;
    for (const char* lib : {"lib", "lib64"}) {
      candidates.push_back(fmt::format("{}/{}/{}", folder, lib, kLibrary));
    }
  }
  candidates.push_back(fmt::format("/usr/local/cuda/lib64/{}", kLibrary));
  return candidates;
}

CudnnLibrary load_cudnn(std::span<const std::string> candidates) {
  CudnnLibrary cudnn;
  const SharedLibrary library = load_library(candidates);
  if (library.handle == nullptr) {
    cudnn.missing = fmt::format(
        "{} was not found, or does not load ({}); CUDNN_PATH or LD_LIBRARY_PATH can say where "
        "it is",
        kLibrary, library.error);
    return cudnn;
  }
#define CONVSCALE_CUDNN_RESOLVE(function)                                                  \
  if (!library.resolve(#function, cudnn.functions.function) && cudnn.missing.empty()) {    \
    cudnn.missing = fmt::format("{} has no {}; version 9 is needed", kLibrary, #function); \
  }
  CONVSCALE_CUDNN_FUNCTIONS(CONVSCALE_CUDNN_RESOLVE)
#undef CONVSCALE_CUDNN_RESOLVE
  return cudnn;
}

const CudnnLibrary& cudnn_library() {
  static const CudnnLibrary kLoaded = load_cudnn(cudnn_candidates());
  return kLoaded;
}

std::optional<std::string> cudnn_version() {
  const CudnnLibrary& library = cudnn_library();
  if (!library.missing.empty()) return std::nullopt;
  const std::size_t version = library.functions.cudnnGetVersion();
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

void check_cudnn(const Cudnn& cudnn, cudnnStatus_t status, const char* call, const char* file,
                 int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string text = describe(cudnn, status);
  if (is_of(status, Category::kNotSupported)) {
    throw UnsupportedError(fmt::format("cuDNN does not do this convolution: {}", text));
  }
  throw ResourceError(fmt::format("{}: {}", place_of(call, file, line), text));
}

CudnnHandle::CudnnHandle(const Cudnn& cudnn) : cudnn_(cudnn) {
  const cudnnStatus_t status = cudnn_.cudnnCreate(&handle_);
  // A driver that is too old for it, or parts of it that do not fit or cannot be loaded.
  if (is_of(status, Category::kSetup) || is_of(status, Category::kNotSupported)) {
    throw UnsupportedError(
        fmt::format("cuDNN cannot be used on this device: {}", describe(cudnn_, status)));
  }
  check_cudnn(cudnn_, status, "cudnnCreate(&handle)", __FILE__, __LINE__);
}

CudnnHandle::~CudnnHandle() { cudnn_.cudnnDestroy(handle_); }

}  // namespace convscale::cuda
