// SPDX-License-Identifier: Apache-2.0
// The program as a process of its own: signals, memory, standard output, the environment.
#include "support.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
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

constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};

/// What a process is to change before it becomes the program.
using Setup = std::function<void()>;

Setup with_variables(const std::vector<std::string>& environment) {
  return [environment] {
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
  };
}

/// Starts the program; its standard output and standard error are these descriptors.
pid_t start(std::vector<std::string> args, int out, int err, const Setup& set_up = {}) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  args.insert(args.begin(), CONVSCALE_PROGRAM);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (const int number : kInterrupts) std::signal(number, SIG_DFL);  // whatever runs the tests
  if (set_up) set_up();
  std::vector<char*> argv;
  argv.reserve(args.size() + 1);
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  execv(CONVSCALE_PROGRAM, argv.data());
  _exit(127);
}

Exit wait_for(pid_t pid) {
  int status = 0;
  rusage usage{};
  wait4(pid, &status, 0, &usage);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), usage.ru_maxrss * 1024};
}

int open_to_write(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/// The program, running, with its output in files.
class Process {
 public:
  Process(const TemporaryFolder& folder, std::vector<std::string> args, const std::string& out = "",
          const Setup& set_up = {})
      : err_(folder / "stderr"), out_(out.empty() ? (folder / "stdout").string() : out) {
    const int out_fd = open_to_write(out_), err_fd = open_to_write(err_);
    pid_ = start(std::move(args), out_fd, err_fd, set_up);
    close(out_fd);
    close(err_fd);
  }

  Exit wait() const { return wait_for(pid_); }
  /// Waits until the program handles signal `number`, or has ended.
  void wait_until_handled(int number) const {
    const auto is_handled = [&] {
      std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
      for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("SigCgt:")) continue;
        return (std::stoull(line.substr(7), nullptr, 16) >> (number - 1) & 1) != 0;
      }
      return true;
    };
    while (!is_handled()) std::this_thread::yield();
  }
  void signal(int number) const { kill(pid_, number); }
  /// Sends signal `number` again and again until the program has ended.
  Exit signal_until_end(int number) const {
    siginfo_t ended{};
    while (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT | WNOHANG) == 0 &&
           ended.si_pid == 0) {
      kill(pid_, number);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return wait();
  }
  std::string out() const { return read_text(out_); }
  std::string err() const { return read_text(err_); }

 private:
  std::filesystem::path err_, out_;
  pid_t pid_;
};

/// The program, running, with its standard error on a terminal, where it tells how far it is.
class OnTerminal {
 public:
  OnTerminal(const TemporaryFolder& folder, std::vector<std::string> args,
             const Setup& set_up = with_variables({"TERM=xterm"}))
      : out_(folder / "stdout"), terminal_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    grantpt(terminal_);
    unlockpt(terminal_);
    const int err_fd = open(ptsname(terminal_), O_RDWR | O_NOCTTY | O_CLOEXEC);
    const int out_fd = open_to_write(out_);
    pid_ = start(std::move(args), out_fd, err_fd, set_up);
    close(out_fd);
    close(err_fd);
  }
  ~OnTerminal() {
    signal(SIGKILL);
    if (!has_ended_) wait_for(pid_);
    close(terminal_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  /// Waits until `text` was written `count` times; false if it never will be.
  bool wait_until(const std::string& text, int count = 1) {
    while (count_of(text) < count) {
      if (!read_more()) return false;
    }
    return true;
  }
  void signal(int number) const {
    if (!has_ended_) kill(pid_, number);
  }
  Exit wait() {
    while (read_more()) continue;
    has_ended_ = true;
    return wait_for(pid_);
  }
  std::string out() const { return read_text(out_); }
  const std::string& err() const { return shown_; }

 private:
  int count_of(const std::string& text) const {
    int count = 0;
    for (auto at = shown_.find(text); at != std::string::npos; at = shown_.find(text, at + 1))
      ++count;
    return count;
  }

  /// False once nobody can write to the terminal any more, or nothing came for minutes.
  bool read_more() {
    constexpr int kPatienceMs = 240'000;
    pollfd ready{terminal_, POLLIN, 0};
    if (poll(&ready, 1, kPatienceMs) <= 0) {
      kill(pid_, SIGKILL);
      return false;
    }
    char buffer[4096];
    const ssize_t got = read(terminal_, buffer, sizeof buffer);
    if (got <= 0) return false;
    shown_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  std::filesystem::path out_;
  int terminal_;
  pid_t pid_;
  bool has_ended_ = false;
  std::string shown_;
};

// A row begins to measure with such a line on the terminal. The next one comes after iterations,
// and without burns all of them are measured.
constexpr const char* kMeasuring = "measuring";
constexpr int kHasTimes = 2;

TEST(Process, InterruptedRunWritesWhatItHas) {
  for (const int number : kInterrupts) {
    const TemporaryFolder folder;
    OnTerminal process(folder, {"--size", "200", "--mem", "400000", "--burns", "0", "--min-time",
                                "1000", "--json", folder / "r.json"});
    ASSERT_TRUE(process.wait_until(kMeasuring, kHasTimes)) << process.err();
    process.signal(number);
    // The kernel sends one each second; and a terminal that goes sends one beside that of a user.
    if (number == SIGHUP || number == SIGXCPU) process.signal(number);
    ASSERT_EQ(process.wait().code, 130) << process.err();
    EXPECT_THAT(process.err(), HasSubstr("interrupted"));
    const Json document = Json::parse(read_text(folder / "r.json"));
    EXPECT_EQ(document["interrupted"], true);
    const Json& record = document["records"][0];
    EXPECT_EQ(record["status"], "interrupted");
    EXPECT_EQ(record["verification"]["status"], "skipped");
    EXPECT_GT(record["times_s"].size(), 0u);
    EXPECT_GT(record["median_s"], 0);
    EXPECT_THAT(process.out(), HasSubstr("Interrupted: after "));
  }
}

TEST(Process, InterruptedListKeepsTheRowsThatItHas) {
  const TemporaryFolder folder;
  // The second row has a thousand times the work of the first: five minutes.
  OnTerminal process(folder, {"--size", "20", "--mem", "400,400000", "-w", "1", "--work_time",
                              "0.001", "--iterations", "300", "--json", folder / "r.json"});
  ASSERT_TRUE(process.wait_until("row 2 of 2")) << process.err();
  process.signal(SIGINT);
  ASSERT_EQ(process.wait().code, 130) << process.err();
  const Json document = Json::parse(read_text(folder / "r.json"));
  EXPECT_EQ(document["interrupted"], true);
  ASSERT_EQ(document["records"].size(), 2u);
  EXPECT_EQ(document["records"][0]["status"], "ok");
  EXPECT_EQ(document["records"][0]["times_s"].size(), 300u);
  EXPECT_EQ(document["records"][1]["status"], "interrupted");
  EXPECT_THAT(process.out(), HasSubstr(" of 300 iterations; not verified, no FOM (row 2)"));
}

/// Interrupts four rows in turn once `text` was on the terminal `count` times; their records.
Json interrupted_in_turn(const std::string& pixels, const std::string& text, int count) {
  const TemporaryFolder folder;
  OnTerminal process(folder, {"--size", "200", "--mem", pixels, "--method", "full,strided",
                              "--dtype", "float64,float32", "--burns", "0", "--min-time", "1000",
                              "--interleave", "--json", folder / "r.json"});
  EXPECT_TRUE(process.wait_until(text, count)) << process.err();
  process.signal(SIGINT);
  EXPECT_EQ(process.wait().code, 130) << process.err();
  const Json document = Json::parse(read_text(folder / "r.json"));
  EXPECT_EQ(document["interrupted"], true);
  EXPECT_EQ(document["records"].size(), 4u);
  for (const Json& record : document["records"]) EXPECT_EQ(record["status"], "interrupted");
  return document["records"];
}

TEST(Process, InterruptedRowsInTurnKeepWhatTheyHave) {
  interrupted_in_turn("40000000", "generating", 1);
  for (const Json& record : interrupted_in_turn("400000", kMeasuring, kHasTimes))
    EXPECT_FALSE(record["times_s"].empty());
}

TEST(Process, AnInterruptAtTheVeryStartIsSaid) {
  for (const int number : kInterrupts) {
    const TemporaryFolder folder;
    const Process process(folder, {"--size", "200", "--mem", "400000", "--burns", "0", "--min-time",
                                   "1000", "--json", folder / "r.json"});
    process.wait_until_handled(number);
    process.signal(number);
    EXPECT_EQ(process.wait().code, 130);
    EXPECT_THAT(process.err(), HasSubstr("convscale: interrupted by a signal\n"));
    EXPECT_EQ(Json::parse(read_text(folder / "r.json"))["interrupted"], true);
  }
}

TEST(Process, AnInterruptEndsTheWaitForTheReaderOfAPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const Process process(folder, {"--size", "20", "--mem", "2000", "--json", folder / "pipe"});
  process.wait_until_handled(SIGHUP);
  EXPECT_EQ(process.signal_until_end(SIGHUP).code, 130);
  EXPECT_THAT(process.err(), HasSubstr("pipe: Interrupted system call"));
}

/// As nohup has it, and a shell's background.
TEST(Process, WhatWasIgnoredAtTheStartStaysIgnored) {
  for (const int number : kInterrupts) {
    const TemporaryFolder folder;
    OnTerminal process(folder,
                       {"--size", "20", "--mem", "400", "-w", "1", "--burns", "0", "--min-time",
                        "0.05", "--json", folder / "r.json"},
                       [number] {
                         std::signal(number, SIG_IGN);
                         with_variables({"TERM=xterm"})();
                       });
    ASSERT_TRUE(process.wait_until(kMeasuring)) << process.err();
    process.signal(number);
    EXPECT_EQ(process.wait().code, 0) << process.err();
    EXPECT_EQ(Json::parse(read_text(folder / "r.json"))["interrupted"], false);
  }
}

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
