// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/kernel.hpp"
#include "cuda/kernels/full_scratch.hpp"
#include "cuda/kernels/point.hpp"

#include <cstdint>

namespace convscale::cuda {

/// Every output by itself: `full` through scratch that stays in the L2 cache, `strided` straight to
/// the results. `WriteEach()(d_out, count, value, stream)` queues d_out[i] = value(i) for i in
/// 0..count-1, and throws ResourceError if it cannot.
template <class T, class WriteEach>
class PointwisePlan final : public Plan {
 public:
  explicit PointwisePlan(const Request& request)
      : request_(request),
        g_(request.shape),
        scratch_(request, cached_scratch_bytes(request.device)) {}

  std::int64_t scratch_bytes() const override {
    return request_.method == Method::kFull ? scratch_.bytes() : 0;
  }

  void launch(const Batch& batch, cudaStream_t stream) override {
    const WriteEach write_each{};
    if (request_.method == Method::kStrided) {
      write_each(reinterpret_cast<T*>(batch.d_results), batch.images * g_.outputs(),
                 computed<Method::kStrided>(batch), stream);
      return;
    }
    scratch_.for_each_part(batch, request_, [&](const Batch& part) {
      T* d_full = reinterpret_cast<T*>(part.d_scratch);
      write_each(d_full, part.images * g_.full_outputs(), computed<Method::kFull>(part), stream);
      write_each(reinterpret_cast<T*>(part.d_results), part.images * g_.outputs(),
                 DecimatedOutput<T>{d_full, g_}, stream);
    });
  }

 private:
  template <Method kMethod>
  ComputedOutput<T, kMethod> computed(const Batch& batch) const {
    return {reinterpret_cast<const T*>(batch.d_images), reinterpret_cast<const T*>(batch.d_filters),
            g_};
  }

  Request request_;
  Geometry g_;
  FullScratch scratch_;
};

}  // namespace convscale::cuda
