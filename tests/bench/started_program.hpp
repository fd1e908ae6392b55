// SPDX-License-Identifier: Apache-2.0
// The program as a process of its own.
#pragma once

#include "bench/outcome.hpp"
#include "support.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace convscale::testing {

struct Exit {
  int code = -1;  ///< 128 + signal if one ended it
  std::int64_t peak_bytes = 0;
};

inline constexpr int kInterrupts[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};

/// What a process is to change before it becomes the program.
using Setup = std::function<void()>;

inline Setup with_variables(const std::vector<std::string>& environment) {
  return [environment] {
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
  };
}

/// Starts the program; its standard output and standard error are these descriptors.
inline pid_t start(std::vector<std::string> args, int out, int err, const Setup& set_up = {}) {
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

inline Exit wait_for(pid_t pid) {
  int status = 0;
  rusage usage{};
  wait4(pid, &status, 0, &usage);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), usage.ru_maxrss * 1024};
}

inline int open_to_write(const std::string& path) {
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
inline constexpr const char* kMeasuring = "measuring";
inline constexpr int kHasTimes = 2;

}  // namespace convscale::testing
