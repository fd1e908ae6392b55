// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_library.hpp"

#include "common/error.hpp"
#include "cuda/check.hpp"
#include "cuda/shared_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <system_error>

namespace convscale::cuda {
namespace {

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
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// The file that holds `function`.
std::string file_of(const void* function) {
  Dl_info info{};
  return dladdr(function, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

/// Loads the NVRTC of the packages around a libcudnn.so.9 that is a package, so that cuDNN finds it
/// when it asks for it by name: the path of the parts of 9.1.0 for CUDA 12 leads to
/// nvidia/nvrtc/lib, but the package of NVRTC has it in nvidia/cuda_nvrtc/lib. Newer ones (seen:
/// 9.19, 9.28) have the right path. cuBLAS is where all of them look.
void load_nvrtc_beside(const std::string& file) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(file).parent_path();
  if (!folder.string().ends_with("nvidia/cudnn/lib")) return;
  std::error_code error;
  for (fs::directory_iterator package(folder.parent_path().parent_path(), error), end;
       !error && package != end; package.increment(error)) {
    std::error_code none;
    for (fs::directory_iterator each(package->path() / "lib", none); !none && each != end;
         each.increment(none)) {
      if (each->path().filename().string().starts_with("libnvrtc.so."))
        load_library(each->path().string());
    }
  }
}

CudnnLibrary resolve(const SharedLibrary& library, const std::string& name) {
  CudnnLibrary cudnn;
#define CONVSCALE_CUDNN_RESOLVE(function)                                               \
  if (!library.resolve(#function, cudnn.functions.function) && cudnn.missing.empty()) { \
    cudnn.missing = fmt::format("{} has no {}; version 9 is needed", name, #function);  \
  }
  CONVSCALE_CUDNN_FUNCTIONS(CONVSCALE_CUDNN_RESOLVE)
#undef CONVSCALE_CUDNN_RESOLVE
  if (!cudnn.missing.empty()) return cudnn;
  cudnn.file = file_of(reinterpret_cast<const void*>(cudnn.functions.cudnnGetVersion));
  const std::size_t version = cudnn.functions.cudnnGetVersion();
  if (version / 10000 != 9)
    cudnn.missing = fmt::format("{} is of version number {}; version 9 is needed", name, version);
  return cudnn;
}

/// "libcudnn.so.8" or its path, if that is where version 9 was looked for; else empty.
std::string other_version(std::span<const std::string> candidates) {
  for (const char* major : {"10", "8", "7"}) {
    for (const std::string& candidate : candidates) {
      if (!candidate.ends_with(kCudnnLibrary)) continue;
      std::string other = candidate.substr(0, candidate.size() - 1) + major;
      if (load_library(other).handle != nullptr) return other;
    }
  }
  return "";
}

}  // namespace

CudnnLibrary load_cudnn(std::span<const std::string> candidates) {
  std::string reason;     // why the last one will not do
  bool is_there = false;  // one of them is, but will not do
  for (const std::string& candidate : candidates) {
    const SharedLibrary library = load_library(candidate);
    if (library.handle == nullptr) {
      if (library.error.empty()) continue;  // a path that is not there
      reason = library.error;
      is_there = is_there || candidate.find('/') != std::string::npos;
      continue;
    }
    CudnnLibrary cudnn = resolve(library, candidate);
    if (cudnn.missing.empty()) {
      load_nvrtc_beside(cudnn.file);
      return cudnn;
    }
    reason = cudnn.missing;
    is_there = true;
  }
  CudnnLibrary none;
  if (const std::string other = is_there ? "" : other_version(candidates); !other.empty()) {
    none.missing =
        fmt::format("{} is here, but version 9 is needed; CUDNN_PATH can say where it is", other);
  } else {
    none.missing = fmt::format(
        "{} was not found, or does not load ({}); CUDNN_PATH or LD_LIBRARY_PATH can say where it "
        "is, and so does a python3 on the PATH that has the package nvidia-cudnn",
        kCudnnLibrary, reason);
  }
  return none;
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
