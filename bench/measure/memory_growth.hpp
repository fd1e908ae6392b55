// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/limits.hpp"

#include <cstdint>
#include <functional>

namespace convscale {

/// How memory is taken to see whether more comes; tests bring their own.
struct MemoryTaking {
  std::function<void(std::int64_t bytes)> take;  ///< so many more, until the end
  std::function<void()> pause;                   ///< a moment in which more may come
  std::function<bool()> stop;                    ///< asked between steps
};

/// Finds out whether `bytes` more can be had where only a virtual machine that grows has them
/// (most_memory_bytes): takes memory step by step, looks after each step how much there is by now,
/// and lets go of it. It leaves a reserve, so that nobody else runs out of memory meanwhile. Throws
/// ResourceError if no more comes; ends early, without an answer, if it is to stop. Does nothing
/// where so much is available. Of several processes on a machine one only may do this at a time.
void grow_memory(std::int64_t bytes, const MemoryTaking& taking, const SystemPaths& paths = {});

/// The same, of this process's memory.
void grow_memory(std::int64_t bytes, const std::function<bool()>& stop,
                 const SystemPaths& paths = {});

}  // namespace convscale
