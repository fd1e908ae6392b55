// SPDX-License-Identifier: Apache-2.0
// thrust: the convolution as a Thrust algorithm, what a C++ programmer writes who launches nothing
// by hand. Thrust picks threads and blocks.
//
//     full:    scratch = tabulate(i -> sum over the window of full output i)
//              results = tabulate(i -> scratch[where output i was kept from])
//     strided: results = tabulate(i -> sum over the window of kept output i)
//
// FLOPs and bytes as in `direct`. Not measured yet: no device was at hand.
#include "cuda/kernels/pointwise_plan.hpp"
#include "cuda/thrust_error.hpp"

#include <thrust/system/cuda/execution_policy.h>
#include <thrust/tabulate.h>

namespace convscale::cuda {
namespace {

/// For PointwisePlan.
struct Tabulate {
  template <class T, class Value>
  void operator()(T* d_out, std::int64_t count, const Value& value, cudaStream_t stream) const {
    CONVSCALE_THRUST(
        thrust::tabulate(thrust::cuda::par_nosync.on(stream), d_out, d_out + count, value));
  }
};

template <class T>
using ThrustPlan = PointwisePlan<T, Tabulate>;

}  // namespace

extern const Kernel thrust_kernel;
const Kernel thrust_kernel{.name = "thrust",
                           .description = "thrust::tabulate over the outputs",
                           .plan = &make_plan<Plan, ThrustPlan, Request>};

}  // namespace convscale::cuda
