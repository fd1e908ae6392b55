// SPDX-License-Identifier: Apache-2.0
// cudnn: NVIDIA's library, as a convolution with as many groups as there are images.
//
//     full:    scratch[y][x] = sum over ky, kx of image[y - ky][x - kx] * taps[ky][kx]
//              result[r][c]  = scratch[S r][S c]
//     strided: result[r][c]  = sum over ky, kx of image[S r - ky][S c - kx] * taps[ky][kx]
//
// FLOPs and bytes as in `direct`. Of all engines that cuDNN has for it, and that sum directly and
// in full precision, the fastest on the data at hand: each is tried before the timed region.
//
// Asked without a device about one with an H200's properties, for 33 images of 1000 x 1000 and for
// 8192 of 256 x 256, both methods: cuDNN 9.19 has five such configurations of four engines in
// float64, ten of five in float32, and proposes engine 0 (an implicit GEMM) first; heuristics leave
// out one of them. None of float64 says that it uses tensor cores, and whether buffers start on an
// element or on 256 bytes changes nothing in the lists. On a Xeon, planning takes 0.2 s the first
// time and 6 ms at most later, with no code to be loaded. Not measured yet: no device was at hand.
#include "cuda/cudnn_convolution.hpp"
#include "cuda/kernels/full_scratch.hpp"
#include "cuda/kernels/point.hpp"
#include "cuda/launch.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace convscale::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kWorkspaceLimit = std::int64_t{256} << 20;
/// After that no more engines are tried for one number of images.
constexpr double kTuningSeconds = 2;
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

/// What the streams of a device share: a handle, and the convolutions that are planned with it, and
/// tuned, once for each number of images.
///
/// One handle serves all streams in turn, by cudnnSetStream before each call, so that plans are
/// executed with the handle that they were made with: no promise was found that another would do.
/// PyTorch does the same (aten/src/ATen/native/cudnn/Conv_v8.cpp: one handle for a thread and a
/// device, plans kept by sizes and alignment, whatever the stream). cuDNN's documentation
/// ("Thread Safety") forbids two threads at one handle; a backend has one that drives it.
class Convolutions {
 public:
  explicit Convolutions(const Request& request)
      : request_(request), parts_(parts_of(request)), handle_(cudnn_library().functions) {
    if (decimates(request)) full_bytes_ = divided_up(parts_.bytes(), 256) * 256;
    alignment_ = request.alignment;
    if (request.shape.images > parts_.images()) {
      alignment_ = least(alignment_, alignment_at(request.shape, request.dtype, parts_.images()));
    }
    if (decimates(request)) alignment_.results = kBufferAlignment;  // in scratch
    // Streams get as many images as they may, or one less.
    for (const std::int64_t images : {request.shape.images, request.shape.images - 1}) {
      for (const std::int64_t part : {std::min(images, parts_.images()), images % parts_.images()})
        if (part > 0) plan(part, alignment_, kWorkspaceLimit, CudnnConvolution::kAllEngines);
    }
    for (const auto& [key, made] : convolutions_)
      workspace_bytes_ = std::max(workspace_bytes_, made.workspace_bytes());
  }

  std::int64_t scratch_bytes() const { return full_bytes_ + workspace_bytes_; }

  /// Calls `body(part, convolution, buffers)` for the parts of a batch, one after another in the
  /// stream, which is the handle's meanwhile.
  template <class Body>
  void for_each_part(const Batch& batch, cudaStream_t stream, Body&& body) {
    CONVSCALE_CHECK_CUDNN(cudnn_library().functions, cudnnSetStream, handle_.get(), stream);
    parts_.for_each_part(batch, request_, [&](const Batch& part) {
      const CudnnBuffers buffers{part.d_images, part.d_filters,
                                 decimates(request_) ? part.d_scratch : part.d_results,
                                 part.d_scratch + full_bytes_};
      // A piece of an iteration, which several ranks have, may have other images, and start
      // elsewhere: it gets the engine that heuristics put first, and the workspace that there is.
      const bool as_planned = alignment_of(buffers).is_at_least(alignment_);
      body(part,
           plan(part.images, as_planned ? alignment_ : Alignment{}, workspace_bytes_,
                /*engines=*/1),
           buffers);
    });
  }

  const Request& request() const { return request_; }
  cudnnHandle_t handle() const { return handle_.get(); }

  std::string engines() const {
    std::set<std::string> names;
    for (const auto& [key, made] : convolutions_) {
      if (made.is_tuned()) names.insert(made.engines().front());
    }
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

 private:
  static Alignment alignment_of(const CudnnBuffers& buffers) {
    const auto of = [](const std::byte* pointer) {
      return cuda::alignment_of(
          static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer)));
    };
    return {of(buffers.d_images), of(buffers.d_filters), of(buffers.d_outputs)};
  }

  /// That of so many images; made if there is none yet.
  CudnnConvolution& plan(std::int64_t images, const Alignment& alignment,
                         std::int64_t workspace_limit, std::size_t engines) {
    Shape shape = request_.shape;
    shape.images = images;
    if (request_.method == Method::kFull) shape.stride = 1;
    return convolutions_
        .try_emplace({images, alignment == alignment_}, cudnn_library().functions,
                     CudnnTarget{.handle = handle_.get()}, shape, request_.dtype, alignment,
                     workspace_limit, engines)
        .first->second;
  }

  Request request_;
  FullScratch parts_;
  CudnnHandle handle_;
  Alignment alignment_;
  /// By images, and whether they start as planned.
  std::map<std::pair<std::int64_t, bool>, CudnnConvolution> convolutions_;
  std::int64_t full_bytes_ = 0;  ///< of scratch, in front of the workspace
  std::int64_t workspace_bytes_ = 0;
};

class CudnnStreamPlan final : public Plan {
 public:
  explicit CudnnStreamPlan(std::shared_ptr<Convolutions> convolutions)
      : convolutions_(std::move(convolutions)) {}

  std::int64_t scratch_bytes() const override { return convolutions_->scratch_bytes(); }
  bool reads_all_pixels() const override { return true; }
  std::string path() const override { return convolutions_->engines(); }
  std::unique_ptr<Plan> for_another_stream() const override {
    return std::make_unique<CudnnStreamPlan>(convolutions_);
  }

  bool tunes() const override { return true; }
  void tune(const Batch& batch, cudaStream_t stream) override {
    convolutions_->for_each_part(
        batch, stream,
        [&](const Batch&, CudnnConvolution& convolution, const CudnnBuffers& buffers) {
          if (convolution.is_tuned()) return;
          convolution.tune(convolutions_->handle(), stream, buffers, kTuningSeconds);
        });
  }

  void launch(const Batch& batch, cudaStream_t stream) override {
    const Request& request = convolutions_->request();
    convolutions_->for_each_part(
        batch, stream,
        [&](const Batch& part, CudnnConvolution& convolution, const CudnnBuffers& buffers) {
          convolution.execute(convolutions_->handle(), buffers);
          if (!decimates(request)) return;
          dispatch(request.dtype, [&]<class T>() { launch_decimate<T>(request, part, stream); });
        });
  }

 private:
  template <class T>
  static void launch_decimate(const Request& request, const Batch& part, cudaStream_t stream) {
    const Geometry g(request.shape);
    const std::int64_t count = part.images * g.outputs();
    const auto blocks = static_cast<unsigned>(divided_up(count, kThreads));
    const auto decimate_kernel = &decimate<T>;
    CONVSCALE_LAUNCH(decimate_kernel, dim3(blocks), dim3(kThreads), 0, stream,
                     reinterpret_cast<T*>(part.d_results), count,
                     DecimatedOutput<T>{reinterpret_cast<const T*>(part.d_scratch), g});
  }

  std::shared_ptr<Convolutions> convolutions_;
};

}  // namespace

extern const Kernel cudnn_kernel;
const Kernel cudnn_kernel{
    .name = "cudnn",
    .description = "cuDNN's grouped convolution, its fastest engine in full precision",
    .missing = [] { return cudnn_library().missing; },
    .uses = [] { return *cudnn_version() + ", " + cudnn_library().file; },
    // What cuDNN cannot do it says when a plan is made, which needs the device.
    .plan = [](const Request& request) -> std::unique_ptr<Plan> {
      return std::make_unique<CudnnStreamPlan>(std::make_shared<Convolutions>(request));
    }};

}  // namespace convscale::cuda
