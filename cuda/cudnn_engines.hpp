// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/vocabulary.hpp"
#include "cuda/cudnn_descriptor.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace convscale::cuda {

/// One way to do a graph. cuDNN does not say whether a descriptor that is finalized still needs
/// those that it was made of, so they live as long.
struct CudnnPlan {
  /// Number and choices of the engine, "eng28_k2=4_k3=0", as NVIDIA's own front end names it.
  std::string engine;
  std::vector<CudnnDescriptor> made_of;
  CudnnDescriptor plan;
  std::int64_t workspace_bytes = 0;
};

/// All engines: those that cuDNN's heuristics propose, best first, then every other one that the
/// graph has, with what cuDNN chooses for it; none twice, at most `most`. Only those that sum tap
/// times pixel in the arithmetic of `dtype`, always in the same order, and take at most
/// `workspace_limit` bytes. Throws UnsupportedError with the reason if there is none.
std::vector<CudnnPlan> plan_engines(const Cudnn& cudnn, const CudnnTarget& target,
                                    const CudnnDescriptor& graph, Dtype dtype,
                                    std::int64_t workspace_limit, std::size_t most);

}  // namespace convscale::cuda
