// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/launcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Launch launch_with(const std::map<std::string, std::string>& environment) {
  return find_launch([&](const char* name) {
    const auto variable = environment.find(name);
    return variable == environment.end() ? nullptr : variable->second.c_str();
  });
}

std::string message_of(const Launch& launch, std::optional<int> ranks, ExitCode code) {
  try {
    require_ranks(launch, ranks);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(FindLaunch, NobodyLaunchedAPlainProcess) {
  const Launch launch = launch_with({{"HOME", "/"}, {"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}});
  EXPECT_EQ(launch.launcher, "");
  EXPECT_EQ(launch.tasks, 1);
  EXPECT_EQ(make_comm(launch)->size(), 1);
}

TEST(FindLaunch, ReadsTheTracesOfEachLauncher) {
  const Launch open_mpi =
      launch_with({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}});
  EXPECT_EQ(open_mpi.launcher, "mpirun");
  EXPECT_EQ(open_mpi.tasks, 4);
  EXPECT_EQ(open_mpi.task, 3);
  EXPECT_EQ(launch_with({{"PMI_SIZE", "8"}, {"PMI_RANK", "1"}}).tasks, 8);
  const Launch srun = launch_with({{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}});
  EXPECT_EQ(srun.launcher, "srun");
  EXPECT_EQ(srun.tasks, 2);
  EXPECT_EQ(srun.task, 1);
  EXPECT_EQ(launch_with({{"PMIX_RANK", "5"}}).task, 5);
}

TEST(FindLaunch, DaemonsThatSrunStartedAreNotTheTasks) {
  const Launch launch = launch_with({{"SLURM_STEP_NUM_TASKS", "1"},
                                     {"SLURM_PROCID", "0"},
                                     {"OMPI_COMM_WORLD_SIZE", "16"},
                                     {"OMPI_COMM_WORLD_RANK", "9"}});
  EXPECT_EQ(launch.launcher, "mpirun");
  EXPECT_EQ(launch.tasks, 16);
  EXPECT_EQ(launch.unset, " -u OMPI_COMM_WORLD_RANK -u SLURM_PROCID");
}

TEST(FindLaunch, SeesWhetherSrunConnectsItsTasks) {
  const std::map<std::string, std::string> srun{{"SLURM_STEP_NUM_TASKS", "2"},
                                                {"SLURM_PROCID", "0"}};
  EXPECT_FALSE(launch_with(srun).has_wire_up);
  for (const char* variable : {"PMIX_RANK", "PMI_FD"}) {
    auto connected = srun;
    connected[variable] = "0";
    EXPECT_TRUE(launch_with(connected).has_wire_up) << variable;
  }
}

/// It leaves what MPICH's mpirun leaves, too.
TEST(FindLaunch, KnowsSrunByItsSteps) {
  std::map<std::string, std::string> environment{
      {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "1"}, {"PMI_SIZE", "4"}, {"PMI_RANK", "1"}};
  EXPECT_EQ(launch_with(environment).launcher, "srun");
  environment["MPI_LOCALNRANKS"] = "1";
  EXPECT_EQ(launch_with(environment).launcher, "mpirun");
}

/// Each of these ends Open MPI's MPI_Init.
TEST(RequireRanks, OpenMpiIsNotStartedWhereItWouldEndTheProcess) {
  const Launch unconnected{"srun", 2, 0, false};
  if (built_with_mpi().starts_with("Open MPI")) {
    EXPECT_THAT(message_of(unconnected, std::nullopt, ExitCode::kUsage), HasSubstr("--mpi=pmix"));
  } else {
    EXPECT_NO_THROW(require_ranks(unconnected, std::nullopt));
  }
}

TEST(RequireRanks, IsContentWithOneTaskAndWithAsManyRanks) {
  EXPECT_NO_THROW(require_ranks({"srun", 1, 0}, 1));
  EXPECT_NO_THROW(require_ranks({"srun", 4, 0}, 4));
  EXPECT_NO_THROW(require_ranks({"a PMIx launcher", 0, 0}, 1));
  EXPECT_NO_THROW(require_ranks({"", 1, 0}, 0));
  EXPECT_NO_THROW(require_ranks({"mpirun", 4, 0}, std::nullopt)) << "not started yet";
  EXPECT_NO_THROW(require_ranks({"srun", 4, 0, true}, std::nullopt));
}

TEST(RequireRanks, CopiesOfRankZeroAreAnError) {
  EXPECT_THAT(message_of(launch_with({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "0"}}), 1,
                         ExitCode::kUsage),
              AllOf(HasSubstr("srun started 4"), HasSubstr("--mpi=pm"),
                    HasSubstr("env -u SLURM_PROCID convscale runs alone")));
  EXPECT_THAT(message_of({"mpirun", 2, 0}, 1, ExitCode::kUsage), HasSubstr("mpirun started 2"));
  EXPECT_THAT(message_of({"mpirun", 2, 0}, 0, ExitCode::kUnsupported),
              AllOf(HasSubstr("no MPI"), HasSubstr("CONVSCALE_MPI=ON")));
}

}  // namespace
}  // namespace convscale
