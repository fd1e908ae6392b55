// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/launcher.hpp"

#ifdef CONVSCALE_MPI
#include "bench/ranks/comm_mpi.hpp"
#endif

#include <fmt/format.h>

#include <cstdlib>

namespace convscale {
namespace {

/// What a launcher leaves. The first that is there counts: mpirun under Slurm starts its daemons
/// with srun, and what these inherit is about the daemons.
struct Traces {
  const char* launcher;
  const char* tasks;
  const char* task;
};
constexpr Traces kTraces[] = {{"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                              {"mpirun", "PMI_SIZE", "PMI_RANK"},  // MPICH's and Intel's
                              {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
                              {"a PMIx launcher", "", "PMIX_RANK"}};

#ifdef CONVSCALE_MPI
constexpr bool kHasMpi = true;
#else
constexpr bool kHasMpi = false;
std::string mpi_library() { return ""; }
std::unique_ptr<Comm> make_mpi_comm() { return make_self_comm(); }
#endif

}  // namespace

Launch find_launch(const std::function<const char*(const char*)>& variable) {
  const auto is_there = [&](const Traces& traces) {
    return variable(traces.task) != nullptr &&
           (*traces.tasks == '\0' || variable(traces.tasks) != nullptr);
  };
  for (const Traces& traces : kTraces) {
    if (!is_there(traces)) continue;
    const char* const tasks = variable(traces.tasks);
    const char* const task = variable(traces.task);
    Launch launch{traces.launcher, tasks == nullptr ? 0 : std::atoi(tasks), std::atoi(task)};
    // srun --mpi=pmi2 sets the same as MPICH's mpirun, but for what that says of the host.
    const char* const step = variable("SLURM_STEP_NUM_TASKS");
    if (step != nullptr && std::atoi(step) == launch.tasks &&
        variable("OMPI_COMM_WORLD_SIZE") == nullptr && variable("MPI_LOCALNRANKS") == nullptr) {
      launch.launcher = "srun";
    }
    launch.has_wire_up = variable("PMIX_RANK") != nullptr || variable("PMI_RANK") != nullptr ||
                         variable("PMI_FD") != nullptr;
    for (const Traces& other : kTraces) {
      if (is_there(other)) launch.unset += std::string(" -u ") + other.task;
    }
    return launch;
  }
  return {};
}

void require_ranks(const Launch& launch, std::optional<int> ranks) {
  if (launch.tasks <= 1 || ranks.value_or(0) > 1) return;
  // Open MPI ends a process of srun that it cannot connect, with pages of text, when it starts.
  const bool starts =
      launch.launcher != "srun" || launch.has_wire_up || !mpi_library().starts_with("Open MPI");
  if (!ranks && starts) return;
  const std::string what =
      fmt::format("{} started {} of this program, and each would be rank 0 of 1: ", launch.launcher,
                  launch.tasks);
  const std::string alone = fmt::format("; env{} convscale runs alone", launch.unset);
  if (ranks == 0) {
    throw UnsupportedError(
        what + "this build has no MPI, and --version says why; one with CONVSCALE_MPI=ON would do" +
        alone);
  }
  if (launch.launcher == "srun") {
    throw UsageError(what + "srun and " + mpi_library() + " do not know each other; srun --mpi=" +
                     (mpi_library().starts_with("Open MPI") ? "pmix" : "pmi2") +
                     " would do, or another of those that srun --mpi=list shows" + alone);
  }
  throw UsageError(what + "this build has " + mpi_library() +
                   "; the mpirun of that library would do" + alone);
}

std::unique_ptr<Comm> make_comm(const Launch& launch) {
  // A process by itself does without MPI, which takes its time to start.
  if (launch.launcher.empty() || launch.tasks == 1) return make_self_comm();
  require_ranks(launch, kHasMpi ? std::nullopt : std::optional(0));
  auto comm = make_mpi_comm();
  require_ranks(launch, comm->size());
  return comm;
}

std::string built_with_mpi() { return mpi_library(); }

}  // namespace convscale
