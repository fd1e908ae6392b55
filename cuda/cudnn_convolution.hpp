// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "common/vocabulary.hpp"
#include "cuda/alignment.hpp"
#include "cuda/cudnn_engines.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace convscale::cuda {

/// The descriptors of one convolution. cuDNN does not say whether one that is finalized still needs
/// those that it was made of, so they live as long.
struct CudnnGraph {
  CudnnDescriptor images, filters, outputs, convolution, operation, graph;
};

/// Device memory of a convolution: images, filters and outputs are contiguous, the workspace starts
/// on 256 bytes.
struct CudnnBuffers {
  const std::byte* d_images = nullptr;
  const std::byte* d_filters = nullptr;
  std::byte* d_outputs = nullptr;
  std::byte* d_workspace = nullptr;  ///< CudnnConvolution::workspace_bytes()
};

/// The kept outputs of `shape` in one call of cuDNN: a convolution with as many groups as there are
/// images, zero padding of K - 1 and a stride of S. With a stride of 1 these are all outputs.
///
/// It has all engines of cuDNN that sum directly and in full precision (float32 is true float32),
/// in the same order each time; before it is tuned it takes the one that heuristics put first.
class CudnnConvolution {
 public:
  /// Images, filters and outputs will start on multiples of `alignment`, or of an element. Throws
  /// UnsupportedError with the reason if cuDNN has no such engine that takes at most
  /// `workspace_limit` bytes.
  CudnnConvolution(const Cudnn& cudnn, const CudnnTarget& target, const Shape& shape, Dtype dtype,
                   const Alignment& alignment, std::int64_t workspace_limit,
                   std::size_t engines = kAllEngines);

  static constexpr std::size_t kAllEngines = std::numeric_limits<std::size_t>::max();

  /// Bytes of device memory that any of its engines needs.
  std::int64_t workspace_bytes() const { return workspace_bytes_; }
  /// The one that execute() takes, and the others behind it.
  std::vector<std::string> engines() const;
  bool is_tuned() const { return tuned_; }

  /// Queues it in the stream of `handle`, the one that it was planned for; asynchronous.
  void execute(cudnnHandle_t handle, const CudnnBuffers& buffers) const {
    execute(plans_.front(), handle, buffers);
  }

  /// Runs the engines on `buffers` in `stream`, which is that of `handle`, and keeps the fastest.
  /// What fails drops out; if all do, throws what the last one threw. Tries no more of them once
  /// `budget_s` seconds have passed. Blocks.
  void tune(cudnnHandle_t handle, cudaStream_t stream, const CudnnBuffers& buffers,
            double budget_s);

 private:
  void execute(const CudnnPlan& plan, cudnnHandle_t handle, const CudnnBuffers& buffers) const;
  /// Seconds on the device. Blocks.
  double time(const CudnnPlan& plan, cudnnHandle_t handle, cudaStream_t stream,
              const CudnnBuffers& buffers) const;

  const Cudnn* cudnn_;
  CudnnGraph graph_;
  std::vector<CudnnPlan> plans_;  ///< never empty
  std::int64_t workspace_bytes_ = 0;
  bool tuned_ = false;
};

}  // namespace convscale::cuda
