// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace convscale {

/// Where the kernel's files are; tests point it at folders of their own.
struct SystemPaths {
  std::filesystem::path proc = "/proc";
  std::filesystem::path cgroup = "/sys/fs/cgroup";
  std::filesystem::path cpu = "/sys/devices/system/cpu";
  std::filesystem::path virtio = "/sys/bus/virtio/drivers";
};

/// Bytes that this process can still take: the kernel's MemAvailable, and in each memory cgroup
/// that it is in (version 1 or 2, up to the root) the limit less what is used and cannot be
/// reclaimed; whichever is least. Null if nothing is known.
std::optional<std::int64_t> available_memory_bytes(const SystemPaths& paths = {});

/// The most that available_memory_bytes may come to as memory is taken. A virtual machine's may
/// grow: a balloon (virtio_balloon) gives pages back, and a kernel gets hold of its pages one by
/// one; memory is plugged in (virtio_mem), and then nothing but the cgroups bounds it. Without such
/// a device this is what is available, also where /proc is made up (gVisor) or the hypervisor has a
/// balloon of another kind.
std::optional<std::int64_t> most_memory_bytes(const SystemPaths& paths = {});

/// Bytes of memory of the machine. Null if unknown.
std::optional<std::int64_t> total_memory_bytes(const SystemPaths& paths = {});

/// The CPU time that the cgroups allow, in processors (cpu.max; cpu.cfs_quota_us). Null where
/// nothing limits it.
std::optional<double> cpu_quota(const SystemPaths& paths = {});

/// How fast a processor's clock is said to run.
struct ProcessorClock {
  double hz = 0;
  bool is_most = false;  ///< no processor here runs faster; else it may, and often does

  /// What no processor here exceeds, generously. The most that the driver states is that of one
  /// busy core, and drifts by a few percent in virtual machines. A nominal clock is that of a
  /// server's processor times 1.3 to 2, and of a small laptop's times 4.3.
  double most_hz() const { return hz * (is_most ? 1.25 : 5); }
};

/// The highest clock of the fastest processor by the kernel's driver (cpufreq); without one what
/// /proc/cpuinfo says, which is the nominal clock or a sample. Null if nothing is known.
std::optional<ProcessorClock> processor_clock(const SystemPaths& paths = {});

/// Throws ResourceError if `bytes` more cannot be had, before anything is taken. Where a virtual
/// machine's memory may grow so far, grow_memory (memory_growth.hpp) finds out whether it does.
void check_memory(std::int64_t bytes, const SystemPaths& paths = {});

/// What one more idle thread of ours takes of a cgroup's memory: 45 kB, whether there are 1,000 or
/// 5,000 (Linux 6.18, x86-64, glibc 2.36, workers of a backend; a thread that does nothing 36 kB).
/// Of these 16 KiB are the kernel's stack, 12 KiB pages of its own stack that it has touched, 4 KiB
/// the page table for them, and the rest what the kernel knows of it and of its mappings.
inline constexpr std::int64_t kThreadBytes = 48 << 10;

/// Throws ResourceError if there is not the memory for so many more threads, before one is started.
void check_threads(std::int64_t threads, const SystemPaths& paths = {});

/// Threads for work outside of the timed region: one for each of `processors` that the cgroup's
/// quota leaves us, at least one.
int usable_threads(int processors);

}  // namespace convscale
