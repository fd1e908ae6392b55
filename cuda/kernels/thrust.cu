// SPDX-License-Identifier: Apache-2.0
// thrust: the convolution as a Thrust algorithm, what a C++ programmer writes who launches nothing
// by hand. Thrust picks threads and blocks.
//
//     full:    scratch = tabulate(i -> sum over the window of full output i)
//              results = tabulate(i -> scratch[where output i was kept from])
//     strided: results = tabulate(i -> sum over the window of kept output i)
//
// FLOPs and bytes as in `direct`. Not measured yet: no device was at hand.
#include "cuda/kernels/full_scratch.hpp"
#include "cuda/kernels/point.hpp"
#include "cuda/thrust_error.hpp"

#include <thrust/system/cuda/execution_policy.h>
#include <thrust/tabulate.h>

namespace convscale::cuda {
namespace {

template <class T>
class ThrustPlan final : public Plan {
 public:
  explicit ThrustPlan(const Request& request)
      : request_(request),
        g_(request.shape),
        scratch_(request, cached_scratch_bytes(request.device)) {}

  std::int64_t scratch_bytes() const override {
    return request_.method == Method::kFull ? scratch_.bytes() : 0;
  }

  void launch(const Batch& batch, cudaStream_t stream) override {
    CONVSCALE_THRUST(tabulate(batch, stream));
  }

 private:
  void tabulate(const Batch& batch, cudaStream_t stream) const {
    const auto policy = thrust::cuda::par_nosync.on(stream);
    if (request_.method == Method::kStrided) {
      T* d_results = reinterpret_cast<T*>(batch.d_results);
      thrust::tabulate(policy, d_results, d_results + batch.images * g_.outputs(),
                       KeptOutput<T>{reinterpret_cast<const T*>(batch.d_images),
                                     reinterpret_cast<const T*>(batch.d_filters), g_});
      return;
    }
    scratch_.for_each_part(batch, request_, [&](const Batch& part) {
      T* d_full = reinterpret_cast<T*>(part.d_scratch);
      T* d_results = reinterpret_cast<T*>(part.d_results);
      thrust::tabulate(policy, d_full, d_full + part.images * g_.full_outputs(),
                       FullOutput<T>{reinterpret_cast<const T*>(part.d_images),
                                     reinterpret_cast<const T*>(part.d_filters), g_});
      thrust::tabulate(policy, d_results, d_results + part.images * g_.outputs(),
                       DecimatedOutput<T>{d_full, g_});
    });
  }

  Request request_;
  Geometry g_;
  FullScratch scratch_;
};

}  // namespace

extern const Kernel thrust_kernel;
const Kernel thrust_kernel{.name = "thrust",
                           .description = "thrust::tabulate over the outputs",
                           .missing = nullptr,
                           .refuses = [](const Request&) { return std::string(); },
                           .plan =
                               [](const Request& request) {
                                 return dispatch(request.dtype,
                                                 [&]<class T>() -> std::unique_ptr<Plan> {
                                                   return std::make_unique<ThrustPlan<T>>(request);
                                                 });
                               }};

}  // namespace convscale::cuda
