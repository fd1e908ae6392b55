// SPDX-License-Identifier: Apache-2.0
#include "bench/interrupt.hpp"

#include <unistd.h>

#include <csignal>

namespace convscale {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t signal_came = 0;
bool on_terminal = false;  // set before the handler is

extern "C" void on_signal(int number) {
  if (signal_came != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  signal_came = 1;
  if (on_terminal) {
    constexpr char kHint[] = "\nconvscale: stopping; once more ends it at once\n";
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, kHint, sizeof kHint - 1);
  }
}

}  // namespace

void install_interrupt_handlers() {
  on_terminal = isatty(STDERR_FILENO) != 0;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGHUP, on_signal);
  std::signal(
      SIGPIPE,
      SIG_IGN);  // a closed pipe is an output that cannot be written, and is reported as one
}

bool interrupted() { return signal_came != 0; }

}  // namespace convscale
