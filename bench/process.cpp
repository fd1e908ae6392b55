// SPDX-License-Identifier: Apache-2.0
#include "bench/process.hpp"

#include "bench/progress.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace convscale {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t signal_came = 0;
volatile std::sig_atomic_t stop_was_asked = 0;
const char* hint = nullptr;  // set before the handler is

extern "C" void on_signal(int number) {
  // A closed terminal and a limit of CPU time come more than once, and on top of SIGTERM; who asks
  // twice is impatient.
  const bool is_asked = number == SIGINT || number == SIGTERM;
  if (is_asked && stop_was_asked != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  if (is_asked) stop_was_asked = 1;
  if (signal_came == 0 && hint != nullptr) {
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, hint, std::strlen(hint));
  }
  signal_came = 1;
}

}  // namespace

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

bool interrupted() { return signal_came != 0; }

bool hold_standard_descriptors() {
  const auto is_open = [](int fd) { return fcntl(fd, F_GETFD) != -1; };
  const bool can_write = is_open(STDOUT_FILENO);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (!is_open(fd)) open("/dev/null", O_RDWR);  // the lowest that is free: those below are taken
  }
  return can_write;
}

}  // namespace convscale
