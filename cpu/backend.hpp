// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "cpu/ceilings.hpp"
#include "cpu/kernel.hpp"

#include <memory>
#include <span>

namespace convscale {

/// The CPU backend's line in the program's table.
BackendEntry cpu_backend();

/// A CPU backend that takes its kernel from `kernels` and measures ceilings with `loops`, both of
/// which outlive it; `cpu_backend` is this with `cpu_kernels()`.
std::unique_ptr<Backend> make_cpu_backend(const Config& config, const Assignment& assignment,
                                          std::span<const Kernel> kernels,
                                          const CeilingLoops& loops = supported_ceiling_loops());

}  // namespace convscale
