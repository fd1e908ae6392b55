// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/kernel.hpp"

#include <span>
#include <string>
#include <vector>

namespace convscale {

/// All kernels, fastest first: `auto` takes the first that this machine supports.
std::span<const Kernel> cpu_kernels();

/// The ceiling loops of this build, widest first; the last runs everywhere.
std::span<const CeilingLoops* const> cpu_ceiling_loops();

/// Isa bits of `needed` that a machine with the instruction sets `available` (see
/// instruction_sets()) lacks, as the names of the missing sets; empty if it can run them.
std::string missing_isa(unsigned needed, std::span<const std::string> available);

}  // namespace convscale
