// SPDX-License-Identifier: Apache-2.0
#include "bench/backends.hpp"
#include "bench/cli/options.hpp"
#include "bench/cli/process.hpp"
#include "bench/program.hpp"
#include "bench/ranks/launcher.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

int main(int argc, char** argv) {
  using namespace convscale;
  install_signal_handlers();
  install_last_words();
  if (!hold_standard_descriptors()) {
    std::cerr << "convscale: standard output is closed; > /dev/null would do\n";
    return static_cast<int>(ExitCode::kFailure);
  }
  const std::vector<std::string> args(argv, argv + argc);
  // A question is answered wherever it is asked, also by a task of a launcher that MPI does not
  // know.
  const Launch launch = is_question(args)
                            ? Launch()
                            : find_launch([](const char* name) { return std::getenv(name); });
  std::unique_ptr<Comm> comm;
  try {
    comm = make_comm(launch);
  } catch (const Error& error) {
    // Every task of the launch comes here, unless it is about the network, and one of them says so.
    // A launcher ends all when the first is gone: the others leave it the time to speak, and end
    // with the same code.
    std::signal(SIGTERM, SIG_IGN);
    const bool is_alone = dynamic_cast<const CommError*>(&error) != nullptr;
    // A launcher gives its tasks no terminal: who has one inherited the variables of another task.
    if (launch.task == 0 || is_alone || isatty(STDERR_FILENO) != 0) {
      std::cerr << std::string("convscale: ") + error.what() + "\n";
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    return static_cast<int>(error.code());
  }
  install_signal_handlers();  // again: MPI may have its own
  return run_program(args, backends(), *comm, std::cout, std::cerr);
}
