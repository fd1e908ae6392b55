// SPDX-License-Identifier: Apache-2.0
// The program as a process of its own: signals, memory, standard output, the environment.
#include "support.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace convscale {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;
using Json = nlohmann::json;

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Exit {
  int code = -1;  ///< 128 + signal if one ended it
  std::int64_t peak_bytes = 0;
};

/// The program, running, with its output in files.
class Process {
 public:
  Process(const TemporaryFolder& folder, std::vector<std::string> args, const std::string& out = "",
          const std::vector<std::string>& environment = {})
      : err_(folder / "stderr"),
        out_(out.empty() ? (folder / "stdout").string() : out),
        pid_(fork()) {
    if (pid_ != 0) return;
    args.insert(args.begin(), CONVSCALE_PROGRAM);
    const int out_fd = open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err_fd = open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> argv;
    argv.reserve(args.size() + 1);
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    execv(CONVSCALE_PROGRAM, argv.data());
    _exit(127);
  }

  void signal(int number) const { kill(pid_, number); }

  Exit wait() const {
    int status = 0;
    rusage usage{};
    wait4(pid_, &status, 0, &usage);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            usage.ru_maxrss * 1024};
  }

  std::string out() const { return read_text(out_); }
  std::string err() const { return read_text(err_); }

 private:
  std::filesystem::path err_, out_;
  pid_t pid_;
};

TEST(Process, InterruptedRunWritesWhatItHas) {
  for (const int number : {SIGINT, SIGTERM}) {
    // How soon the first iteration is measured depends on the machine, and on sanitizers.
    for (int wait_ms = 500;; wait_ms *= 2) {
      const TemporaryFolder folder;
      const Process process(folder, {"--size", "200", "--mem", "400000", "--iterations", "1000000",
                                     "--json", folder / "r.json"});
      std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
      process.signal(number);
      ASSERT_EQ(process.wait().code, 130) << process.err();
      EXPECT_THAT(process.err(), HasSubstr("interrupted"));
      const Json document = Json::parse(read_text(folder / "r.json"));
      EXPECT_EQ(document["interrupted"], true);
      const Json& record = document["records"][0];
      EXPECT_EQ(record["status"], "interrupted");
      EXPECT_EQ(record["verification"]["status"], "skipped");
      if (record["times_s"].empty() && wait_ms < 20000) continue;
      ASSERT_GT(record["times_s"].size(), 0u);
      EXPECT_LT(record["times_s"].size(), 1000000u);
      EXPECT_GT(record["median_s"], 0);
      EXPECT_THAT(process.out(), HasSubstr("Average time: "));
      break;
    }
  }
}

TEST(Process, InterruptedListKeepsTheRowsThatItHas) {
  // The second row takes far longer than the first, so that doubling the wait finds it at work.
  for (int wait_ms = 1000;; wait_ms *= 2) {
    const TemporaryFolder folder;
    const Process process(folder, {"--size", "200", "--mem", "40000,40000000", "--iterations",
                                   "1000", "--json", folder / "r.json"});
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    process.signal(SIGINT);
    ASSERT_EQ(process.wait().code, 130) << process.err();
    const Json document = Json::parse(read_text(folder / "r.json"));
    EXPECT_EQ(document["interrupted"], true);
    ASSERT_GE(document["records"].size(), 1u);
    if (document["records"].size() < 2 && wait_ms < 40000) continue;
    ASSERT_EQ(document["records"].size(), 2u);
    EXPECT_EQ(document["records"][0]["status"], "ok");
    EXPECT_EQ(document["records"][0]["times_s"].size(), 1000u);
    EXPECT_EQ(document["records"][1]["status"], "interrupted");
    EXPECT_THAT(process.out(), HasSubstr("row 2 interrupted: "));
    break;
  }
}

TEST(Process, InterruptedRowsInTurnKeepWhatTheyHave) {
  // At once, while memory is placed; and after as long as it takes to measure.
  for (int wait_ms = 10; wait_ms < 40000; wait_ms *= 4) {
    const TemporaryFolder folder;
    const Process process(folder, {"--size", "200", "--mem", "40000000", "--method", "full,strided",
                                   "--dtype", "float64,float32", "--iterations", "100000",
                                   "--interleave", "--json", folder / "r.json"});
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    process.signal(SIGINT);
    ASSERT_EQ(process.wait().code, 130) << process.err();
    const std::string text = read_text(folder / "r.json");
    if (text.empty()) continue;  // before there were handlers
    const Json document = Json::parse(text);
    EXPECT_EQ(document["interrupted"], true);
    ASSERT_EQ(document["records"].size(), 4u);
    for (const Json& record : document["records"]) EXPECT_EQ(record["status"], "interrupted");
    if (!document["records"][3]["times_s"].empty()) return;
  }
  FAIL() << "nothing was measured in time";
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
                        {"LC_ALL=de_DE.UTF-8", "LANG=de_DE.UTF-8"});
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
