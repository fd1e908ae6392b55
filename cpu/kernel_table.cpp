// SPDX-License-Identifier: Apache-2.0
#include "cpu/kernel_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace convscale {

// A kernel's line. Each names the kernel that a file of kernels/ defines, fastest first, and what
// it is made of.
#if defined(__x86_64__)
#define CONVSCALE_X86_KERNELS(X) \
  X(RowKernel, avx512)           \
  X(RowKernel, avx2)
#else
#define CONVSCALE_X86_KERNELS(X)
#endif
#define CONVSCALE_KERNELS(X) \
  CONVSCALE_X86_KERNELS(X)   \
  X(RowKernel, scalar)       \
  X(RowKernel, eigen)        \
  X(Kernel, opencv)

#define CONVSCALE_DECLARE(type, kernel) extern const type kernel##_kernel;
#define CONVSCALE_ENTRY(type, kernel) as_kernel(kernel##_kernel),
CONVSCALE_KERNELS(CONVSCALE_DECLARE)
extern const CeilingLoops avx512_ceiling_loops, avx2_ceiling_loops, portable_ceiling_loops;

std::span<const Kernel> cpu_kernels() {
  static const Kernel kTable[] = {CONVSCALE_KERNELS(CONVSCALE_ENTRY)};
  return kTable;
}

std::span<const CeilingLoops* const> cpu_ceiling_loops() {
  static constexpr const CeilingLoops* kTable[] = {
#if defined(__x86_64__)
    &avx512_ceiling_loops,
    &avx2_ceiling_loops,
#endif
    &portable_ceiling_loops
  };
  return kTable;
}

std::string missing_isa(unsigned needed, std::span<const std::string> available) {
  static constexpr struct {
    unsigned bit;
    const char* sets[4];
  } kSets[] = {{kIsaAvx2, {"avx2", "fma"}},
               {kIsaAvx512, {"avx512f", "avx512dq", "avx512bw", "avx512vl"}}};
  std::vector<std::string> missing;
  for (const auto& [bit, sets] : kSets) {
    if ((needed & bit) == 0) continue;
    for (const char* set : sets) {
      if (set != nullptr && std::find(available.begin(), available.end(), set) == available.end())
        missing.emplace_back(set);
    }
  }
  return fmt::format("{}", fmt::join(missing, ", "));
}

}  // namespace convscale
