// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cudnn.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convscale::cuda {

/// The functions of cuDNN that are called here.
#define CONVSCALE_CUDNN_FUNCTIONS(X) \
  X(cudnnGetVersion)                 \
  X(cudnnGetErrorString)             \
  X(cudnnGetLastErrorString)         \
  X(cudnnCreate)                     \
  X(cudnnDestroy)                    \
  X(cudnnSetStream)                  \
  X(cudnnBackendCreateDescriptor)    \
  X(cudnnBackendDestroyDescriptor)   \
  X(cudnnBackendSetAttribute)        \
  X(cudnnBackendGetAttribute)        \
  X(cudnnBackendFinalize)            \
  X(cudnnBackendExecute)

/// They keep their names, so that a call reads as in cuDNN's documentation:
/// `cudnn.cudnnCreate(&h)`.
struct Cudnn {
// NOLINTNEXTLINE(bugprone-macro-parentheses): it is a member's name
#define CONVSCALE_CUDNN_MEMBER(function) decltype(&::function) function = nullptr;
  CONVSCALE_CUDNN_FUNCTIONS(CONVSCALE_CUDNN_MEMBER)
#undef CONVSCALE_CUDNN_MEMBER
};

/// cuDNN as this machine has it.
struct CudnnLibrary {
  Cudnn functions;
  std::string file;     ///< that was loaded
  std::string missing;  ///< why it cannot be used; empty if it can
};

inline constexpr const char* kCudnnLibrary = "libcudnn.so.9";

/// Where it is looked for: what the loader finds; CUDNN_PATH; the folders `lib` and `lib64` of
/// CUDNN_PATH, CUDA_HOME, CUDA_PATH, those that are set, and of /usr/local/cuda; then the packages
/// (nvidia/cudnn/lib) of the python3 on the PATH, of the user, of VIRTUAL_ENV and of CONDA_PREFIX,
/// those that are there.
std::vector<std::string> cudnn_candidates();

/// Loads the first of `candidates` that is a cuDNN 9 with all functions.
CudnnLibrary load_cudnn(std::span<const std::string> candidates);

/// The machine's cuDNN, loaded by the first call.
const CudnnLibrary& cudnn_library();

/// Of the machine's cuDNN, "9.19.0"; null if it has none.
std::optional<std::string> cudnn_version();

/// Throws unless `status` is success: UnsupportedError with cuDNN's reason if cuDNN does not do
/// what was asked for, ResourceError with call, file and line if the call failed.
void check_cudnn(const Cudnn& cudnn, cudnnStatus_t status, const char* call, const char* file,
                 int line);

/// CONVSCALE_CHECK_CUDNN(cudnn, function, arguments...): calls and checks.
#define CONVSCALE_CHECK_CUDNN(cudnn, function, ...)                      \
  ::convscale::cuda::check_cudnn((cudnn), (cudnn).function(__VA_ARGS__), \
                                 #function "(" #__VA_ARGS__ ")", __FILE__, __LINE__)

/// A handle of cuDNN on the current device. Throws UnsupportedError with the reason where cuDNN has
/// nothing for this device or driver.
class CudnnHandle {
 public:
  explicit CudnnHandle(const Cudnn& cudnn);
  ~CudnnHandle();
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;

  cudnnHandle_t get() const { return handle_; }

 private:
  const Cudnn& cudnn_;
  cudnnHandle_t handle_ = nullptr;
};

}  // namespace convscale::cuda
