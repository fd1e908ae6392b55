// SPDX-License-Identifier: Apache-2.0
// The program as a process of its own: memory, outputs, the environment.
#include "bench/started_program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace convscale {
namespace {

using testing::Exit;
using ::testing::HasSubstr;
using testing::kMeasuring;
using testing::OnTerminal;
using testing::Process;
using testing::read_text;
using testing::TemporaryFolder;
using testing::with_variables;
using Json = nlohmann::json;

TEST(Process, ADescriptorThatIsClosedIsNoOutput) {
  for (const int closed : {STDIN_FILENO, STDERR_FILENO}) {
    const TemporaryFolder folder;
    const Process process(
        folder, {"--size", "20", "--mem", "2000", "--json", "/dev/fd/" + std::to_string(closed)},
        "", [closed] { close(closed); });
    EXPECT_EQ(process.wait().code, 5);
    EXPECT_EQ(process.out(), "");
  }
}

/// They are asked inside of allocations, too, by scripts as by people.
TEST(Process, QuestionsAreAnsweredInTasksOfAnyLauncher) {
  const std::vector<std::vector<std::string>> launches{
      {"SLURM_STEP_NUM_TASKS=4", "SLURM_PROCID=3"},
      {"PMIX_RANK=0"},
      {"OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK=1"},
      {"PMI_SIZE=2", "PMI_RANK=1"}};
  for (const auto& environment : launches) {
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"--version"}, {"--help"}, {"--size", "0", "--list"}, {"-h"}}) {
      const TemporaryFolder folder;
      const Process process(folder, args, "", with_variables(environment));
      EXPECT_EQ(process.wait().code, 0) << process.err();
      EXPECT_GT(process.out().size(), 20u) << environment.front() << args.front();
    }
  }
}

TEST(Process, NoProgressOnADumbTerminal) {
  for (const char* terminal : {"TERM=dumb", "TERM="}) {
    const TemporaryFolder folder;
    OnTerminal process(folder, {"--size", "20", "--mem", "2000", "--min-time", "0.05"},
                       with_variables({terminal}));
    EXPECT_EQ(process.wait().code, 0);
    EXPECT_EQ(process.err().find('\033'), std::string::npos) << process.err();
    EXPECT_EQ(process.err().find(kMeasuring), std::string::npos) << process.err();
  }
}

TEST(Process, TakesImagesResultsAndScratchAndLittleElse) {
  const TemporaryFolder folder;
  const std::int64_t images = 40, side = 1000, results = images * 201 * 201;
  const Process process(
      folder, {"--mem", std::to_string(images * side * side), "--iterations", "2", "-w", "2"});
  const Exit exit = process.wait();
  ASSERT_EQ(exit.code, 0) << process.err();
  const auto expected =
      static_cast<double>((images * side * side + results) * 8 + std::int64_t{2} * 20 * 1008 * 8);
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // which take memory of their own
  EXPECT_LT(static_cast<double>(exit.peak_bytes), 1.10 * expected);
#endif
  EXPECT_GT(static_cast<double>(exit.peak_bytes), 0.99 * expected);
}

TEST(Process, FileInFortranOrderIsNotHeldTwice) {
  const TemporaryFolder folder;
  const std::int64_t images = 20, side = 1000;
  {
    // NumPy's header of such a file, and zeros.
    std::string header = "{'descr': '<f8', 'fortran_order': True, 'shape': (20, 1000, 1000), }";
    header.resize(117, ' ');
    std::ofstream file(folder / "f.npy", std::ios::binary);
    file << std::string("\x93NUMPY\x01\x00\x76\x00", 10) << header << '\n';
  }
  std::filesystem::resize_file(folder / "f.npy",
                               static_cast<std::uintmax_t>(128 + images * side * side * 8));
  const Process process(folder, {"--images", folder / "f.npy", "--iterations", "1", "-w", "2"});
  const Exit exit = process.wait();
  ASSERT_EQ(exit.code, 0) << process.err();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // 160 MB of pixels, 6.5 MB of results, and a window of the file for each thread that reads it.
  EXPECT_LT(static_cast<double>(exit.peak_bytes), 1.25 * images * side * side * 8);
#else
  EXPECT_GT(exit.peak_bytes, 0);
#endif
}

TEST(Process, FullStandardOutputIsExit5) {
  const TemporaryFolder folder;
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"--json", "-"}, {"--list"}}) {
    std::vector<std::string> args{"--size", "20", "--mem", "2000"};
    args.insert(args.end(), more.begin(), more.end());
    const Process process(folder, args, "/dev/full");
    EXPECT_EQ(process.wait().code, 5);
    EXPECT_THAT(process.err(), HasSubstr("cannot write standard output"));
  }
}

TEST(Process, NoProgressWhereStandardErrorIsNoTerminal) {
  const TemporaryFolder folder;
  const Process process(folder, {"--size", "20", "--mem", "2000"});
  ASSERT_EQ(process.wait().code, 0);
  EXPECT_EQ(process.err().find('\r'), std::string::npos);
  EXPECT_EQ(process.err().find('\033'), std::string::npos);
}

TEST(Process, AffinityMaskIsRespected) {
  const TemporaryFolder folder;
  cpu_set_t before, one;
  sched_getaffinity(0, sizeof before, &before);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  sched_setaffinity(0, sizeof one, &one);  // a child inherits it
  const Process process(folder,
                        {"--size", "20", "--mem", "2000", "-w", "2", "--json", folder / "r.json"});
  sched_setaffinity(0, sizeof before, &before);
  ASSERT_EQ(process.wait().code, 0);
  const Json document = Json::parse(read_text(folder / "r.json"));
  EXPECT_EQ(document["host"]["affinity"], std::to_string(first));
  EXPECT_EQ(document["records"][0]["cpus"], Json({first, first}));
  EXPECT_THAT(document["records"][0]["warnings"].dump(), HasSubstr("2 workers share 1 core"));
}

}  // namespace
}  // namespace convscale
