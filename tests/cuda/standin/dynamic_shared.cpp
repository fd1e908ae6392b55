// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/standin/grid.hpp"

namespace convscale::cuda {

// On a device the launch provides it; the declaration is in cuda/launch.hpp.
extern constinit thread_local std::byte dynamic_shared_memory[];
alignas(16) constinit thread_local std::byte dynamic_shared_memory[standin::kMaxSharedBytes]{};

}  // namespace convscale::cuda

namespace convscale::standin {

std::byte* dynamic_shared_array() { return cuda::dynamic_shared_memory; }

}  // namespace convscale::standin
