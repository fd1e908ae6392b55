// SPDX-License-Identifier: Apache-2.0
#include "bench/backends.hpp"

#include "common/build_info.hpp"
#include "common/error.hpp"
#include "cpu/backend.hpp"
#if defined(CONVSCALE_CUDA)
#include "cuda/backend.hpp"
#endif

#include <fmt/format.h>

namespace convscale {

#if !defined(CONVSCALE_CUDA)
namespace {

/// What stands in the table in place of a backend that this build was made without.
BackendEntry cuda_backend() {
  const std::string why =
      fmt::format("this program was built without CUDA: {}", build_info().no_cuda);
  return {.name = "cuda",
          .kernels = [] { return std::vector<Listing>{}; },
          .devices =
              [why] {
                return std::vector<Listing>{{"cuda", "", why}};
              },
          .device_count = [] { return 0; },
          .create = [why](const Config&, const Assignment&) -> std::unique_ptr<Backend> {
            throw UnsupportedError("--backend cuda: " + why + "; --backend cpu runs here");
          }};
}

}  // namespace
#endif

BackendTable backends() { return {cpu_backend(), cuda_backend()}; }

}  // namespace convscale
