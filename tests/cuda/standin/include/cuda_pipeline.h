// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies from global to shared memory. Each is made when the thread waits for it, and
// never if it does not.
#pragma once

#include "cuda_runtime.h"

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the names are CUDA's

inline void __pipeline_memcpy_async(void* target, const void* source, std::size_t bytes,
                                    std::size_t zeros = 0, CONVSCALE_STANDIN_PLACE) {
  convscale::standin::copy_async(target, source, bytes, zeros, CONVSCALE_STANDIN_HERE);
}
inline void __pipeline_commit() { convscale::standin::commit_copies(); }
inline void __pipeline_wait_prior(std::size_t groups_in_flight) {
  convscale::standin::wait_for_copies(groups_in_flight);
}

// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
