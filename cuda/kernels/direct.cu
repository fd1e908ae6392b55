// SPDX-License-Identifier: Apache-2.0
// direct: one thread an output.
//
//     full:    scratch[y][x] = sum over ky, kx of image[y - ky][x - kx] * taps[ky][kx]
//              result[r][c]  = scratch[S r][S c]
//     strided: result[r][c]  = sum over ky, kx of image[S r - ky][S c - kx] * taps[ky][kx]
//
// 2 K^2 FLOPs an output; `full` writes and reads scratch besides the least bytes. The plain one:
// every K and S, no tuning but the block size. Not measured yet: no device was at hand.
#include "cuda/kernels/full_scratch.hpp"
#include "cuda/kernels/point.hpp"
#include "cuda/launch.hpp"

namespace convscale::cuda {
namespace {

constexpr int kThreads = 256;

/// out[i] = value(i) for i in 0..count-1, one thread each.
template <class T, class Value>
__global__ void __launch_bounds__(kThreads) write_each(T* d_out, std::int64_t count, Value value) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) d_out[i] = value(i);
}

template <class T, class Value>
void launch_each(T* d_out, std::int64_t count, const Value& value, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(divided_up(count, kThreads));
  const auto write_kernel = &write_each<T, Value>;
  CONVSCALE_LAUNCH(write_kernel, dim3(blocks), dim3(kThreads), 0, stream, d_out, count, value);
}

template <class T>
class DirectPlan final : public Plan {
 public:
  explicit DirectPlan(const Request& request)
      : request_(request),
        g_(request.shape),
        scratch_(request, cached_scratch_bytes(request.device)) {}

  std::int64_t scratch_bytes() const override {
    return request_.method == Method::kFull ? scratch_.bytes() : 0;
  }

  void launch(const Batch& batch, cudaStream_t stream) override {
    if (request_.method == Method::kStrided) {
      launch_each(reinterpret_cast<T*>(batch.d_results), batch.images * g_.outputs(),
                  KeptOutput<T>{reinterpret_cast<const T*>(batch.d_images),
                                reinterpret_cast<const T*>(batch.d_filters), g_},
                  stream);
      return;
    }
    scratch_.for_each_part(batch, request_, [&](const Batch& part) {
      T* d_full = reinterpret_cast<T*>(part.d_scratch);
      launch_each(d_full, part.images * g_.full_outputs(),
                  FullOutput<T>{reinterpret_cast<const T*>(part.d_images),
                                reinterpret_cast<const T*>(part.d_filters), g_},
                  stream);
      launch_each(reinterpret_cast<T*>(part.d_results), part.images * g_.outputs(),
                  DecimatedOutput<T>{d_full, g_}, stream);
    });
  }

 private:
  Request request_;
  Geometry g_;
  FullScratch scratch_;
};

}  // namespace

extern const Kernel direct_kernel;
const Kernel direct_kernel{.name = "direct",
                           .description = "one thread an output",
                           .missing = nullptr,
                           .refuses = [](const Request&) { return std::string(); },
                           .plan =
                               [](const Request& request) {
                                 return dispatch(request.dtype,
                                                 [&]<class T>() -> std::unique_ptr<Plan> {
                                                   return std::make_unique<DirectPlan<T>>(request);
                                                 });
                               }};

}  // namespace convscale::cuda
