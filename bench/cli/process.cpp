// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/process.hpp"

#include "bench/cli/progress.hpp"
#include "bench/data/output_file.hpp"
#include "common/error.hpp"

#include <cxxabi.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>
#include <typeinfo>

namespace convscale {
namespace {

// A signal handler can reach nothing else.
std::atomic<bool> signal_came{false};  // workers look, too
std::atomic<bool> stop_was_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);
const char* hint = nullptr;  // set before the handler is

void say(std::string_view text) noexcept {
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
}

extern "C" void on_signal(int number) {
  // A closed terminal and a limit of CPU time come more than once, and on top of SIGTERM; who asks
  // twice is impatient.
  const bool is_asked = number == SIGINT || number == SIGTERM;
  const int error = errno;
  if (is_asked && stop_was_asked.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  if (!signal_came.exchange(true) && hint != nullptr) say(hint);
  errno = error;
}

constexpr std::size_t kReserveBytes = 1 << 20;
std::atomic<void*> reserve{nullptr};

std::array<char, 2048> memory{};
std::atomic<std::size_t> memory_size{0};

/// Calls only what a signal handler may.
[[noreturn]] void end_with_last_words(std::string_view why) noexcept {
  static std::atomic<pid_t> ending_thread{0};
  pid_t other = 0;
  if (!ending_thread.compare_exchange_strong(other, gettid())) {
    if (other != gettid()) {
      while (true) pause();  // that one ends all
    }
    _exit(static_cast<int>(ExitCode::kFailure));  // of what is below
  }
  remove_temporaries();
  say("convscale: ");
  say(why);
  if (memory_size > 0) {
    say("; measured, but not written: ");
    say(remembered());
  }
  say("\n");
  _exit(static_cast<int>(ExitCode::kFailure));
}

[[noreturn]] void on_terminate() noexcept {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  end_with_last_words(type != nullptr && *type == typeid(std::bad_alloc)
                          ? "out of memory; a smaller --mem would do"
                          : "ended by an exception that nobody caught: a fault of this program");
}

extern "C" void on_fault(int /*number*/) {
  end_with_last_words("ended by a fault: out of memory, or a fault of this program or a library");
}

/// Another try, or the end of `operator new`.
void on_failed_request() {
  void* const held = reserve.exchange(nullptr);
  if (held == nullptr) throw std::bad_alloc();
  std::free(held);
}

}  // namespace

void install_last_words() {
  reserve = std::malloc(kReserveBytes);
  std::set_new_handler(on_failed_request);
  std::set_terminate(on_terminate);
  static std::array<std::byte, 1 << 16> stack;  // of a handler where the own one has run over
  stack_t alternate{};
  alternate.ss_sp = stack.data();
  alternate.ss_size = stack.size();
  sigaltstack(&alternate, nullptr);
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT}) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL)
      continue;  // sanitizers'
    now.sa_handler = on_fault;
    now.sa_flags = SA_ONSTACK;
    sigaction(number, &now, nullptr);
  }
}

void remember(std::string_view line) noexcept {
  constexpr std::string_view kBetween = "; ";
  std::size_t size = memory_size;
  const std::string_view before = size > 0 ? kBetween : std::string_view();
  if (size + before.size() + line.size() > memory.size()) return;
  for (const std::string_view part : {before, line}) {
    std::copy(part.begin(), part.end(), memory.begin() + static_cast<std::ptrdiff_t>(size));
    size += part.size();
  }
  memory_size = size;
}

std::string_view remembered() noexcept { return {memory.data(), memory_size}; }

void forget_all() noexcept { memory_size = 0; }

void install_signal_handlers() {
  if (isatty(STDERR_FILENO) != 0) {
    hint = can_redraw() ? "\r\033[Kconvscale: stopping; once more ends it at once\n"
                        : "\nconvscale: stopping; once more ends it at once\n";
  }
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXCPU}) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler == SIG_IGN) continue;
    std::signal(number, on_signal);
  }
  for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);
}

bool interrupted() { return signal_came; }

bool hold_standard_descriptors() {
  const auto is_open = [](int fd) { return fcntl(fd, F_GETFD) != -1; };
  const bool can_write = is_open(STDOUT_FILENO);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest that is free: those below are taken. To read only, so that an output that names it
    // is one that cannot be written.
    if (!is_open(fd)) open("/dev/null", O_RDONLY);
  }
  return can_write;
}

}  // namespace convscale
