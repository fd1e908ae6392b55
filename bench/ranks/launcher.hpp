// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ranks/comm.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace convscale {

/// How a launcher of parallel programs started this process, by what it left in the environment.
struct Launch {
  std::string launcher;  ///< "mpirun", "srun"; empty: none did
  int tasks = 1;         ///< processes that it started; 0 is unknown
  int task = 0;          ///< which of them this is
  /// There is what an MPI library finds the other tasks by, of PMI or PMIx.
  bool has_wire_up = false;
  /// The variables that say so, as arguments of env: "-u SLURM_PROCID"; without them it runs alone.
  std::string unset = {};
};

/// Reads the environment through `variable`, which is null for one that is not set.
Launch find_launch(const std::function<const char*(const char*)>& variable);

/// Throws Error where `launch` has several tasks and this one would not know of the others: each
/// would be rank 0 of 1, and measure all of it. `ranks` is what MPI says, or 0 where this build has
/// no MPI; null: it has not started, and this is about whether it can.
void require_ranks(const Launch& launch, std::optional<int> ranks);

/// The ranks that a launcher started; a process of its own where none did. Throws UnsupportedError,
/// UsageError, CommError.
std::unique_ptr<Comm> make_comm(const Launch& launch);

/// The MPI library that this build has, "Open MPI 4.1.4"; empty without.
std::string built_with_mpi();

}  // namespace convscale
