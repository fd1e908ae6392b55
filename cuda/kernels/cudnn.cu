// SPDX-License-Identifier: Apache-2.0
// cudnn: NVIDIA's library, as a convolution with as many groups as there are images.
//
//     full:    scratch[y][x] = sum over ky, kx of image[y - ky][x - kx] * taps[ky][kx]
//              result[r][c]  = scratch[S r][S c]
//     strided: result[r][c]  = sum over ky, kx of image[S r - ky][S c - kx] * taps[ky][kx]
//
// FLOPs and bytes as in `direct`. The engine is the one that cuDNN's heuristics put first among
// those that sum directly and in full precision: what cuDNN gives to somebody who does not try out
// all engines. Asked without a device about one with an H200's properties, cuDNN 9.19 proposed
// engine 0 (an implicit GEMM) for every shape but those with a 1 x 1 filter. Not measured yet: no
// device was at hand.
#include "cuda/cudnn_convolution.hpp"
#include "cuda/kernels/full_scratch.hpp"
#include "cuda/kernels/point.hpp"
#include "cuda/launch.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

namespace convscale::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kWorkspaceLimit = std::int64_t{256} << 20;
/// Elements of the largest tensor of a call: most of cuDNN's engines count them in 32 bits.
constexpr std::int64_t kTensorElements = (std::int64_t{1} << 31) - 1;

/// d_out[i] = kept(i) for i in 0..count-1, one thread each.
template <class T>
__global__ void __launch_bounds__(kThreads)
    decimate(T* d_out, std::int64_t count, DecimatedOutput<T> kept) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) d_out[i] = kept(i);
}

/// With a stride of 1 there is nothing to decimate: all outputs are results.
bool decimates(const Request& request) {
  return request.method == Method::kFull && request.shape.stride > 1;
}

/// How many images one call of cuDNN gets. Scratch of 16 L2 caches is much for a device, so that
/// few calls are made, and little beside its memory.
FullScratch parts_of(const Request& request) {
  const Geometry g(request.shape);
  const std::int64_t image_bytes = g.full_outputs() * size_of(request.dtype);
  std::int64_t images = kTensorElements / std::max(g.pixels(), g.outputs());
  if (decimates(request)) {
    images =
        std::min(16 * request.device.l2_bytes / image_bytes, kTensorElements / g.full_outputs());
  }
  return {request, images * image_bytes};
}

class CudnnStreamPlan final : public Plan {
 public:
  explicit CudnnStreamPlan(const Request& request)
      : request_(request), parts_(parts_of(request)), handle_(cudnn_library().functions) {
    if (decimates(request)) full_bytes_ = divided_up(parts_.bytes(), 256) * 256;
    // Streams get as many images as they may, or one less.
    for (const std::int64_t images : {request.shape.images, request.shape.images - 1}) {
      if (images >= parts_.images()) convolution(parts_.images(), kWorkspaceLimit);
      if (images % parts_.images() > 0) convolution(images % parts_.images(), kWorkspaceLimit);
    }
    for (const auto& [images, made] : convolutions_) {
      workspace_bytes_ = std::max(workspace_bytes_, made.workspace_bytes());
    }
  }

  std::int64_t scratch_bytes() const override { return full_bytes_ + workspace_bytes_; }

  void launch(const Batch& batch, cudaStream_t stream) override {
    CONVSCALE_CHECK_CUDNN(cudnn_library().functions, cudnnSetStream, handle_.get(), stream);
    parts_.for_each_part(batch, request_, [&](const Batch& part) {
      std::byte* d_outputs = decimates(request_) ? part.d_scratch : part.d_results;
      convolution(part.images, workspace_bytes_)
          .execute(handle_.get(), part.d_images, part.d_filters, d_outputs,
                   part.d_scratch + full_bytes_);
      if (!decimates(request_)) return;
      dispatch(request_.dtype, [&]<class T>() { launch_decimate<T>(part, stream); });
    });
  }

 private:
  /// That of so many images; made when it is first asked for.
  const CudnnConvolution& convolution(std::int64_t images, std::int64_t workspace_limit) {
    Shape shape = request_.shape;
    shape.images = images;
    if (request_.method == Method::kFull) shape.stride = 1;
    return convolutions_
        .try_emplace(images, cudnn_library().functions, CudnnTarget{.handle = handle_.get()}, shape,
                     request_.dtype, workspace_limit)
        .first->second;
  }

  template <class T>
  void launch_decimate(const Batch& part, cudaStream_t stream) const {
    const Geometry g(request_.shape);
    const std::int64_t count = part.images * g.outputs();
    const auto blocks = static_cast<unsigned>(divided_up(count, kThreads));
    const auto decimate_kernel = &decimate<T>;
    CONVSCALE_LAUNCH(decimate_kernel, dim3(blocks), dim3(kThreads), 0, stream,
                     reinterpret_cast<T*>(part.d_results), count,
                     DecimatedOutput<T>{reinterpret_cast<const T*>(part.d_scratch), g});
  }

  Request request_;
  FullScratch parts_;
  CudnnHandle handle_;
  std::map<std::int64_t, CudnnConvolution> convolutions_;  ///< by images
  std::int64_t full_bytes_ = 0;  ///< of scratch, in front of the workspace
  std::int64_t workspace_bytes_ = 0;
};

}  // namespace

extern const Kernel cudnn_kernel;
const Kernel cudnn_kernel{
    .name = "cudnn",
    .description = "cuDNN's grouped convolution, without tensor cores",
    .missing = [] { return cudnn_library().missing; },
    // What cuDNN cannot do it says when a plan is made, which needs the device.
    .refuses = [](const Request&) { return std::string(); },
    .plan = [](const Request& request) -> std::unique_ptr<Plan> {
      return std::make_unique<CudnnStreamPlan>(request);
    },
    .reads_all_pixels = true};

}  // namespace convscale::cuda
