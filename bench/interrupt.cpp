// SPDX-License-Identifier: Apache-2.0
#include "bench/interrupt.hpp"

#include <csignal>

namespace convscale {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t signal_came = 0;

extern "C" void on_signal(int number) {
  if (signal_came != 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  signal_came = 1;
}

}  // namespace

void install_interrupt_handlers() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGHUP, on_signal);
  std::signal(
      SIGPIPE,
      SIG_IGN);  // a closed pipe is an output that cannot be written, and is reported as one
}

bool interrupted() { return signal_came != 0; }

}  // namespace convscale
