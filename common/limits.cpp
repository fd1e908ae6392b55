// SPDX-License-Identifier: Apache-2.0
#include "common/limits.hpp"

#include "common/buffer.hpp"
#include "common/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <locale>
#include <sstream>
#include <vector>

namespace convscale {
namespace {

namespace fs = std::filesystem;

using Number = std::optional<std::int64_t>;

Number read_number(const fs::path& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // missing, or "max"
}

/// The numbers behind `key` in a file of lines "key value" or "key: value kB", added up; null if
/// there is none.
Number read_field(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  Number sum;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name;
    std::int64_t value = 0;
    if (fields >> name >> value && (name == key || name == key + ":"))
      sum = sum.value_or(0) + value;
  }
  return sum;
}

Number read_meminfo(const SystemPaths& paths, const char* key) {
  const Number kib = read_field(paths.proc / "meminfo", key);
  return kib ? Number(*kib * 1024) : std::nullopt;
}

/// The folders of this process's cgroup for `controller` ("" is version 2) and all its parents,
/// innermost first. In a container the path that /proc names may lie outside of what is mounted;
/// then only the mounted root counts.
std::vector<fs::path> cgroup_folders(const SystemPaths& paths, const std::string& controller) {
  std::vector<fs::path> folders;
  std::ifstream file(paths.proc / "self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:memory:/path", "0::/path"
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    if (controller.empty() ? names != ",,"
                           : names.find("," + controller + ",") == std::string::npos)
      continue;
    const fs::path root = paths.cgroup / controller;
    for (fs::path path = line.substr(second + 1);; path = path.parent_path()) {
      const fs::path folder = root / path.relative_path();
      if (fs::is_directory(folder)) folders.push_back(folder);
      if (!path.has_relative_path()) break;
    }
  }
  return folders;
}

template <class T>
void take_least(std::optional<T>& least, T value) {
  least = least ? std::min(*least, value) : value;
}

/// The least of what the machine has and what the cgroups leave.
Number within_cgroups(Number least, const SystemPaths& paths) {
  static constexpr struct {
    const char *controller, *limit, *usage, *reclaimable;
  } kVersions[] = {
      {"", "memory.max", "memory.current", "inactive_file"},
      {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}};
  for (const auto& version : kVersions) {
    for (const fs::path& folder : cgroup_folders(paths, version.controller)) {
      const Number limit = read_number(folder / version.limit),
                   usage = read_number(folder / version.usage);
      if (!limit || !usage) continue;
      const Number reclaimable = read_field(folder / "memory.stat", version.reclaimable);
      take_least<std::int64_t>(
          least, std::max<std::int64_t>(0, *limit - *usage + reclaimable.value_or(0)));
    }
  }
  return least;
}

/// Whether a virtual device is bound to the driver: the folder then has a link "virtio3".
bool has_virtual_device(const SystemPaths& paths, const char* driver) {
  std::error_code none;
  const fs::directory_iterator entries(paths.virtio / driver, none);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return entry.path().filename().string().starts_with("virtio");
  });
}

/// Pages that a balloon may bring: those that the machine has and the kernel's zones have not got,
/// and those in a balloon that gives way to the OOM killer, which stay in the zones. A few of the
/// former are the kernel's own: 2 % without any balloon, and no virtual machine grows by those.
std::int64_t pages_to_come(const SystemPaths& paths) {
  const fs::path zones = paths.proc / "zoneinfo", counters = paths.proc / "vmstat";
  const auto sum_of = [](const fs::path& file, const char* key) {
    return read_field(file, key).value_or(0);
  };
  const std::int64_t present = sum_of(zones, "present");
  const std::int64_t missing = present - sum_of(zones, "managed") +
                               sum_of(counters, "balloon_inflate") -
                               sum_of(counters, "balloon_deflate");
  return missing > present / 16 ? missing : 0;
}

double gigabytes(std::int64_t bytes) { return 1e-9 * static_cast<double>(bytes); }

}  // namespace

std::optional<std::int64_t> total_memory_bytes(const SystemPaths& paths) {
  return read_meminfo(paths, "MemTotal");
}

std::optional<std::int64_t> available_memory_bytes(const SystemPaths& paths) {
  return within_cgroups(read_meminfo(paths, "MemAvailable"), paths);
}

std::optional<std::int64_t> most_memory_bytes(const SystemPaths& paths) {
  if (has_virtual_device(paths, "virtio_mem")) return within_cgroups(std::nullopt, paths);
  Number bytes = read_meminfo(paths, "MemAvailable");
  if (bytes && has_virtual_device(paths, "virtio_balloon"))
    *bytes += pages_to_come(paths) * page_bytes();
  return within_cgroups(bytes, paths);
}

std::optional<double> cpu_quota(const SystemPaths& paths) {
  std::optional<double> least;
  const auto take = [&](Number quota, Number period) {
    if (quota > 0 && period > 0)
      take_least(least, static_cast<double>(*quota) / static_cast<double>(*period));
  };
  for (const fs::path& folder : cgroup_folders(paths, "")) {
    std::ifstream file(folder / "cpu.max");
    std::int64_t quota = 0, period = 0;
    if (file >> quota >> period) take(quota, period);
  }
  for (const fs::path& folder : cgroup_folders(paths, "cpu")) {
    take(read_number(folder / "cpu.cfs_quota_us"), read_number(folder / "cpu.cfs_period_us"));
  }
  return least;
}

std::optional<ProcessorClock> processor_clock(const SystemPaths& paths) {
  std::optional<ProcessorClock> fastest;
  const auto take = [&](double hz, bool is_most) {
    if (hz > 0 && (!fastest || hz > fastest->hz)) fastest = {hz, is_most};
  };
  std::error_code none;
  for (const auto& policy : fs::directory_iterator(paths.cpu / "cpufreq", none)) {
    const auto khz = read_number(policy.path() / "cpuinfo_max_freq");
    std::string driver;
    std::ifstream(policy.path() / "scaling_driver") >> driver;
    // Others, such as acpi-cpufreq, may know nothing of the processor's boost.
    const bool is_most = driver.starts_with("intel_") || driver.starts_with("amd-pstate");
    if (khz) take(1e3 * static_cast<double>(*khz), is_most);
  }
  if (fastest) return fastest;
  std::ifstream file(paths.proc / "cpuinfo");
  for (std::string line; std::getline(file, line);) {  // "cpu MHz\t\t: 2596.120"
    const std::size_t colon = line.find(':');
    if (!line.starts_with("cpu MHz") || colon == std::string::npos) continue;
    std::istringstream number(line.substr(colon + 1));
    number.imbue(std::locale::classic());
    double mhz = 0;
    if (number >> mhz) take(1e6 * mhz, false);
  }
  return fastest;
}

void check_memory(std::int64_t bytes, const SystemPaths& paths) {
  const auto available = available_memory_bytes(paths), most = most_memory_bytes(paths);
  if (!available || !most || bytes <= *most) return;
  const std::string grown =
      *most > *available
          ? fmt::format(", and {:.2f} GB if this virtual machine's memory grows", gigabytes(*most))
          : "";
  throw ResourceError(
      fmt::format("this run needs {:.2f} GB of memory and {:.2f} GB are available (cgroup limits "
                  "included){}; a smaller --mem would do",
                  gigabytes(bytes), gigabytes(*available), grown));
}

void check_threads(std::int64_t threads, const SystemPaths& paths) {
  const auto available = available_memory_bytes(paths);
  if (!available || threads * kThreadBytes <= *available) return;
  throw ResourceError(fmt::format(
      "{} threads need {:.2f} GB of memory and {:.2f} GB are available (cgroup limits included); "
      "fewer --num_workers would do",
      threads, gigabytes(threads * kThreadBytes), gigabytes(*available)));
}

int usable_threads(int processors) {
  const double quota = std::ceil(cpu_quota().value_or(processors));
  return std::max(1, std::min(processors, static_cast<int>(quota)));
}

}  // namespace convscale
