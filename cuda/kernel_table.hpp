// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/kernel.hpp"

#include <span>

namespace convscale::cuda {

/// All kernels of this build, the one that is tried first in front.
std::span<const Kernel> kernels();

}  // namespace convscale::cuda
