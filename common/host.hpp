// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/topology.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace convscale {

/// The machine as the record keeps it. Empty strings and nulls are "not known".
struct HostInfo {
  std::string name;
  std::string os;
  std::string cpu;
  int sockets = 0;
  int cores = 0;
  int threads = 0;
  bool smt = false;
  int numa_nodes = 0;
  std::vector<Cache> caches;
  std::optional<std::int64_t> memory_bytes;
  std::vector<std::string> isa;
  std::string affinity;
  std::optional<double> max_clock_hz;  ///< null where only a nominal clock is known
  std::optional<std::string> governor;
  std::optional<std::string> huge_pages;
  std::optional<std::string> hypervisor;
  std::optional<double> load;  ///< runnable threads, mean over the last minute, before the run
};

HostInfo host_info(const Topology& topology);

/// Instruction sets of this processor that kernels here may ask for ("avx2", "fma", "avx512f", ...)
/// and the operating system saves the registers of.
std::vector<std::string> instruction_sets();

}  // namespace convscale
