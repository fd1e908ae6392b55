// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/kernel.hpp"
#include "cuda/alignment.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace convscale::cuda {

/// What kernels are chosen and tuned by.
struct DeviceLimits {
  int compute_capability = 0;  ///< 10 * major + minor
  int multiprocessors = 0;
  int threads_per_multiprocessor = 0;
  std::int64_t shared_bytes = 0;  ///< that one block may ask for
  std::int64_t l2_bytes = 0;
  bool operator==(const DeviceLimits&) const = default;
};

/// What a kernel is asked to do for one stream; `images`: the most that one launch gets.
struct Request : convscale::Request {
  DeviceLimits device = {};
  Alignment alignment = {};  ///< of all batches of an iteration that is started at once
};

/// Device memory of one launch: contiguous and row-major, elements of the request's dtype. Images,
/// results and scratch start on 256 bytes for the first image, where the allocator put them, and
/// wherever the image before ends for the others.
struct Batch {
  std::int64_t images = 0;
  const std::byte* d_images = nullptr;   ///< (images, height, width)
  const std::byte* d_filters = nullptr;  ///< (images, K, K)
  std::byte* d_results = nullptr;        ///< (images, out_height, out_width)
  std::byte* d_scratch = nullptr;        ///< BasicPlan::scratch_bytes()
};

/// A kernel set up for one request on the current device. A stream has a plan of its own.
class Plan : public BasicPlan {
 public:
  /// It chooses its way by trying: tune().
  virtual bool tunes() const { return false; }
  /// Tries its ways on a batch that is on the device, outside of the timed region, and keeps the
  /// fastest. Its results are written. Blocks.
  virtual void tune(const Batch& /*batch*/, cudaStream_t /*stream*/) {}
  /// A plan of the same request for another stream, driven by the same thread, which shares what is
  /// dear to make. Null: there is nothing to share.
  virtual std::unique_ptr<Plan> for_another_stream() const { return nullptr; }
  /// Queues the batch in `stream`; asynchronous. Throws ResourceError if a launch is refused.
  virtual void launch(const Batch& batch, cudaStream_t stream) = 0;
};

using Kernel = BasicKernel<Plan, Request>;

}  // namespace convscale::cuda
