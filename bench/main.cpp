// SPDX-License-Identifier: Apache-2.0
#include "bench/backends.hpp"
#include "bench/interrupt.hpp"
#include "bench/launch.hpp"
#include "bench/program.hpp"

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
  const Launch launch = find_launch([](const char* name) { return std::getenv(name); });
  std::unique_ptr<Comm> comm;
  try {
    comm = make_comm(launch);
  } catch (const Error& error) {
    // Every task of the launch comes here, unless it is about the network, and one of them says so.
    // A launcher ends all when the first is gone: the others leave it the time to speak, and end
    // with the same code.
    std::signal(SIGTERM, SIG_IGN);
    const bool is_alone = dynamic_cast<const CommError*>(&error) != nullptr;
    if (launch.task == 0 || is_alone) {
      std::cerr << std::string("convscale: ") + error.what() + "\n";
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    return static_cast<int>(error.code());
  }
  install_interrupt_handlers();  // after MPI, which may have its own
  return run_program(std::vector<std::string>(argv, argv + argc), backends(), *comm, std::cout,
                     std::cerr);
}
