// SPDX-License-Identifier: Apache-2.0
// direct: one thread an output.
//
//     full:    scratch[y][x] = sum over ky, kx of image[y - ky][x - kx] * taps[ky][kx]
//              result[r][c]  = scratch[S r][S c]
//     strided: result[r][c]  = sum over ky, kx of image[S r - ky][S c - kx] * taps[ky][kx]
//
// 2 K^2 FLOPs an output; `full` writes and reads scratch besides the least bytes. The plain one:
// every K and S, no tuning but the block size. Not measured yet: no device was at hand.
#include "cuda/kernels/pointwise_plan.hpp"
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

/// For PointwisePlan.
struct WriteEach {
  template <class T, class Value>
  void operator()(T* d_out, std::int64_t count, const Value& value, cudaStream_t stream) const {
    const auto blocks = static_cast<unsigned>(divided_up(count, kThreads));
    const auto write_kernel = &write_each<T, Value>;
    CONVSCALE_LAUNCH(write_kernel, dim3(blocks), dim3(kThreads), 0, stream, d_out, count, value);
  }
};

template <class T>
using DirectPlan = PointwisePlan<T, WriteEach>;

}  // namespace

extern const Kernel direct_kernel;
const Kernel direct_kernel{.name = "direct",
                           .description = "one thread an output",
                           .plan = &make_plan<Plan, DirectPlan, Request>};

}  // namespace convscale::cuda
