// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/kernel.hpp"

#include <span>
#include <string_view>

namespace convscale::cuda {

/// All kernels of this build, the one that is tried first in front.
std::span<const Kernel* const> kernels();

/// The kernel called `name`; `auto`: the first that can do `request`. Throws UsageError for a name
/// that nobody knows, UnsupportedError with the reason where it cannot.
const Kernel& find_kernel(std::string_view name, const Request& request,
                          std::span<const Kernel* const> kernels);

}  // namespace convscale::cuda
