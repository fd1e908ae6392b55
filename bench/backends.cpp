// SPDX-License-Identifier: Apache-2.0
#include "bench/backends.hpp"

#include "common/error.hpp"
#include "cpu/backend.hpp"

namespace convscale {
namespace {

/// A backend that this build was made without.
BackendEntry missing_backend(const std::string& name, const std::string& why) {
  return {.name = name,
          .kernels = [] { return std::vector<Listing>{}; },
          .devices =
              [name, why] {
                return std::vector<Listing>{{name, "", why}};
              },
          .create = [name, why](const Config&) -> std::unique_ptr<Backend> {
            throw UnsupportedError("--backend " + name + ": " + why + "; --backend cpu runs here");
          }};
}

}  // namespace

BackendTable backends() {
  return {cpu_backend(), missing_backend("cuda", "this build has no CUDA")};
}

}  // namespace convscale
