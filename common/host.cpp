// SPDX-License-Identifier: Apache-2.0
#include "common/host.hpp"

#include "common/limits.hpp"

#include <sys/utsname.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace convscale {
namespace {

std::optional<std::string> first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  if (std::getline(file, line)) return line;
  return std::nullopt;
}

/// "madvise" of "always [madvise] never".
std::optional<std::string> selected_word(const char* path) {
  auto line = first_line(path);
  if (!line) return std::nullopt;
  const std::size_t open = line->find('['), close = line->find(']');
  if (open == std::string::npos || close == std::string::npos) return line;
  return line->substr(open + 1, close - open - 1);
}

std::optional<std::string> hypervisor() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kHypervisorBit = 1u << 31;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kHypervisorBit) == 0) return std::nullopt;
  __cpuid(0x40000000, a, b, c, d);
  char vendor[13] = {};
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &c, 4);
  std::memcpy(vendor + 8, &d, 4);
  return std::string(vendor);
#else
  return first_line("/sys/hypervisor/type");
#endif
}

std::string os_name() {
  std::ifstream file("/etc/os-release");
  std::string name = "Linux";
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kKey = "PRETTY_NAME=";
    if (!line.starts_with(kKey)) continue;
    name = line.substr(kKey.size());
    if (name.size() >= 2 && name.front() == '"') name = name.substr(1, name.size() - 2);
  }
  return name;
}

}  // namespace

std::vector<std::string> instruction_sets() {
  std::vector<std::string> sets;
#if defined(__x86_64__)
  __builtin_cpu_init();
#define CONVSCALE_CHECK_ISA(set) \
  if (__builtin_cpu_supports(set)) sets.emplace_back(set)
  CONVSCALE_CHECK_ISA("avx");
  CONVSCALE_CHECK_ISA("avx2");
  CONVSCALE_CHECK_ISA("fma");
  CONVSCALE_CHECK_ISA("avx512f");
  CONVSCALE_CHECK_ISA("avx512dq");
  CONVSCALE_CHECK_ISA("avx512bw");
  CONVSCALE_CHECK_ISA("avx512vl");
#undef CONVSCALE_CHECK_ISA
#endif
  return sets;
}

HostInfo host_info(const Topology& topology) {
  HostInfo info;
  utsname names{};
  uname(&names);
  info.name = names.nodename;
  info.os = os_name() + ", " + names.sysname + " " + names.release;
  info.cpu = topology.cpu_model();
  info.sockets = topology.sockets();
  info.cores = topology.cores();
  info.threads = topology.threads();
  info.smt = info.threads > info.cores;
  info.numa_nodes = topology.numa_nodes();
  info.caches = topology.caches();
  info.memory_bytes = total_memory_bytes();
  info.isa = instruction_sets();
  info.affinity = topology.affinity();
  if (const auto clock = processor_clock(); clock && clock->is_most) info.max_clock_hz = clock->hz;
  info.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  info.huge_pages = selected_word("/sys/kernel/mm/transparent_hugepage/enabled");
  info.hypervisor = hypervisor();
  double load = 0;
  if (getloadavg(&load, 1) == 1) info.load = load;
  return info;
}

}  // namespace convscale
