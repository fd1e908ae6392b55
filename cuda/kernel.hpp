// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "cuda/alignment.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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

/// What a kernel is asked to do.
struct Request {
  Shape shape;  ///< `images`: the most that one launch gets
  Method method = Method::kFull;
  Dtype dtype = Dtype::kFloat64;
  DeviceLimits device;
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
  std::byte* d_scratch = nullptr;        ///< Plan::scratch_bytes()
};

/// A kernel set up for one request on the current device. A stream has a plan of its own.
class Plan {
 public:
  Plan() = default;
  virtual ~Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// Bytes of device memory that launches need beside images and results; 0 if none.
  virtual std::int64_t scratch_bytes() const { return 0; }
  /// Of a kernel that `tunes`: tries its ways on a batch that is on the device, outside of the
  /// timed region, and keeps the fastest. Its results are written. Blocks.
  virtual void tune(const Batch& /*batch*/, cudaStream_t /*stream*/) {}
  /// A plan of the same request for another stream, driven by the same thread, which shares what is
  /// dear to make. Null: there is nothing to share.
  virtual std::unique_ptr<Plan> for_another_stream() const { return nullptr; }
  /// The way that it takes inside, "eng28_k2=4"; empty if it has but one.
  virtual std::string path() const { return ""; }
  /// Queues the batch in `stream`; asynchronous. Throws ResourceError if a launch is refused.
  virtual void launch(const Batch& batch, cudaStream_t stream) = 0;
};

/// `PlanOf<T>(request)` for the request's dtype.
template <template <class> class PlanOf>
std::unique_ptr<Plan> make_plan(const Request& request) {
  return dispatch(request.dtype, [&]<class T>() -> std::unique_ptr<Plan> {
    return std::make_unique<PlanOf<T>>(request);
  });
}

/// One implementation. Its name is that of its file in kernels/.
struct Kernel {
  const char* name = nullptr;
  const char* description = nullptr;
  /// Why this program or machine lacks it; empty if it has it. Null: it is always there.
  std::string (*missing)() = nullptr;
  /// Why it cannot do the request; empty if it can.
  std::string (*refuses)(const Request&) = nullptr;
  std::unique_ptr<Plan> (*plan)(const Request&) = nullptr;
  /// Sums tap times pixel over each window and nothing else: FLOPs and the pixels that are read
  /// follow from the method.
  bool direct = true;
  /// Its plans choose by trying: Plan::tune.
  bool tunes = false;
  /// What of this machine it uses, for lists. Null: nothing.
  std::string (*uses)() = nullptr;
  /// It may read pixels that no kept output's window covers (and give them no weight).
  bool reads_all_pixels = false;
};

}  // namespace convscale::cuda
