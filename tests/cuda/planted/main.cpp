// SPDX-License-Identifier: Apache-2.0
// planted NAME faulty|correct: runs one planted fault or its twin. 0: the data came out right and
// nothing was reported. What reports a fault is the stand-in, a sanitizer, or the wrong data.
#include "tests/cuda/planted/planted.hpp"

#include <cstdio>
#include <exception>
#include <string_view>

namespace {

namespace planted = convscale::cuda::planted;

struct Program {
  std::string_view name;
  bool (*run)(bool faulty);
};

#define CONVSCALE_PLANTED(name) \
  Program { #name, &planted::name }
constexpr Program kPrograms[] = {
    CONVSCALE_PLANTED(missing_barrier),       CONVSCALE_PLANTED(missing_warp_barrier),
    CONVSCALE_PLANTED(early_reuse),           CONVSCALE_PLANTED(shuffle_for_barrier),
    CONVSCALE_PLANTED(global_overrun),        CONVSCALE_PLANTED(dynamic_shared_overrun),
    CONVSCALE_PLANTED(static_shared_overrun), CONVSCALE_PLANTED(misaligned_load),
    CONVSCALE_PLANTED(barrier_in_a_branch),   CONVSCALE_PLANTED(two_barriers),
    CONVSCALE_PLANTED(shuffle_from_nobody),   CONVSCALE_PLANTED(missing_wait),
    CONVSCALE_PLANTED(missing_event),         CONVSCALE_PLANTED(overwritten_source),
    CONVSCALE_PLANTED(blocks_that_race),      CONVSCALE_PLANTED(freed_in_kernel),
    CONVSCALE_PLANTED(freed_in_copy),         CONVSCALE_PLANTED(upload_under_way),
};

int run(const Program& program, bool faulty) {
  // A fixed seed: what a shuffled order shows is shown every time.
  convscale::standin::reset({.seed = 1});
  try {
    if (program.run(faulty) && convscale::standin::faults().empty()) return 0;
    std::puts("wrong result");
  } catch (const std::exception& error) {
    std::printf("refused: %s\n", error.what());
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  for (const Program& program : kPrograms) {
    if (program.name == argv[1]) return run(program, std::string_view(argv[2]) == "faulty");
  }
  std::printf("%s: no such fault\n", argv[1]);
  return 2;
}
