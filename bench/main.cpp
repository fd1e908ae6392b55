// SPDX-License-Identifier: Apache-2.0
#include "bench/backends.hpp"
#include "bench/interrupt.hpp"
#include "bench/program.hpp"

#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  convscale::install_interrupt_handlers();
  return convscale::run_program(std::vector<std::string>(argv, argv + argc), convscale::backends(),
                                std::cout, std::cerr);
}
