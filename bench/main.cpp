// SPDX-License-Identifier: Apache-2.0
#include "bench/backends.hpp"
#include "bench/interrupt.hpp"
#include "bench/launch.hpp"
#include "bench/program.hpp"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  using namespace convscale;
  const Launch launch = find_launch([](const char* name) { return std::getenv(name); });
  std::unique_ptr<Comm> comm;
  try {
    comm = make_comm(launch);
  } catch (const Error& error) {
    // Every task of the launch comes here, unless it is about the network: one of them says so.
    const bool is_alone = dynamic_cast<const CommError*>(&error) != nullptr;
    if (launch.task == 0 || is_alone) std::cerr << std::string("convscale: ") + error.what() + "\n";
    return static_cast<int>(error.code());
  }
  install_interrupt_handlers();  // after MPI, which may have its own
  return run_program(std::vector<std::string>(argv, argv + argc), backends(), *comm, std::cout,
                     std::cerr);
}
