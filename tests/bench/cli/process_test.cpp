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

/// Descriptors that are free are given to the next file that is opened, and text to who asks.
TEST(Process, ClosedStandardDescriptorsGetIntoNoFile) {
  for (const int closed : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const TemporaryFolder folder;
    const Process process(folder, {"--size", "20", "--mem", "2000", "--json", folder / "r.json"},
                          "", [closed] { close(closed); });
    if (closed == STDOUT_FILENO) {
      EXPECT_EQ(process.wait().code, 5);
      EXPECT_THAT(process.err(), HasSubstr("standard output is closed"));
      EXPECT_FALSE(std::filesystem::exists(folder / "r.json"));
    } else {
      EXPECT_EQ(process.wait().code, 0);
      EXPECT_EQ(Json::parse(read_text(folder / "r.json"))["records"].size(), 1u);
    }
  }
}

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

TEST(Process, JsonByTheNameOfStandardOutputIsAppendedWhereItIs) {
  const TemporaryFolder folder;
  for (const char* name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    std::ofstream(folder / "all") << "kept\n";
    const std::string all = folder / "all";
    const Process process(folder, {"--size", "20", "--mem", "2000", "--json", name}, "",
                          [all] { dup2(open(all.c_str(), O_WRONLY | O_APPEND), STDOUT_FILENO); });
    ASSERT_EQ(process.wait().code, 0);
    const std::string text = read_text(folder / "all");
    ASSERT_EQ(text.substr(0, 5), "kept\n");
    EXPECT_EQ(Json::parse(text.substr(5))["records"].size(), 1u) << text;
    EXPECT_THAT(process.err(), HasSubstr("FOM: "));
  }
}

/// What a full disk, a quota and `ulimit -f` have in common.
TEST(Process, FileBeyondItsLimitTakesNoOtherWithIt) {
  const TemporaryFolder folder;
  const Process process(folder,
                        {"--size", "20", "--mem", "2000", "--json", folder / "r.json", "--csv",
                         folder / "r.csv", "--save", folder / "arrays"},
                        "", [] {
                          const rlimit limit{3000, 3000};  // CSV fits
                          setrlimit(RLIMIT_FSIZE, &limit);
                        });
  EXPECT_EQ(process.wait().code, 5);
  EXPECT_THAT(process.err(), HasSubstr("r.json: File too large"));
  EXPECT_THAT(process.err(), HasSubstr("arrays/images.npy: File too large"));
  EXPECT_THAT(process.out(), HasSubstr("FOM: "));
  EXPECT_THAT(read_text(folder / "r.csv"), HasSubstr("ok,"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().string().find(".partial-"), std::string::npos) << entry.path();
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
    OnTerminal process(folder, {"--size", "20", "--mem", "2000", "--min-time", "0.2"},
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

TEST(Process, LocaleChangesNoNumber) {
  const TemporaryFolder folder;
  const Process process(folder, {"--size", "20", "--mem", "2000"}, "",
                        with_variables({"LC_ALL=de_DE.UTF-8", "LANG=de_DE.UTF-8"}));
  ASSERT_EQ(process.wait().code, 0);
  EXPECT_THAT(process.out(), ::testing::ContainsRegex("Average time: [0-9]+\\.[0-9]+ second"));
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
