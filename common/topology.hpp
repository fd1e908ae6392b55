// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct hwloc_topology;

namespace convscale {

/// The caches of one level and size, as the operating system reports them. A level may have several
/// sizes: a die with stacked cache beside one without, fast cores beside slow ones.
struct Cache {
  std::string name;        ///< "L1d", "L2", "L3", ...
  std::int64_t bytes = 0;  ///< of one instance
  int count = 0;           ///< instances that our processors reach
};

/// The processors that this process may use (affinity mask and cpuset cgroup), through hwloc.
class Topology {
 public:
  /// The machine that we run on.
  Topology();
  /// Another machine, for tests: a synthetic one in hwloc's notation, "pack:2 [numa] core:4 pu:2",
  /// or one in hwloc's XML, which begins with '<'.
  explicit Topology(const std::string& machine);

  // Where the system tells of no package or NUMA node, all processors are of one; a processor that
  // it puts into no core is one of its own.
  int sockets() const;
  int cores() const;
  int threads() const;
  int numa_nodes() const;
  std::string cpu_model() const;  ///< empty if unknown
  std::vector<Cache> caches() const;
  /// Of all caches together that are the last on the way from one of our processors to memory; 0 if
  /// unknown.
  std::int64_t last_cache_bytes() const;
  std::string affinity() const;  ///< as a list: "0-3,8"

  /// Processors (operating system's numbers) in the order in which workers take them. `spread`: one
  /// hardware thread of each core first, over the NUMA nodes in turn, SMT siblings last. `compact`:
  /// neighbours first, SMT siblings together. `none`: empty.
  std::vector<int> order(Bind bind) const;

  /// The NUMA node that processor `cpu` belongs to; 0 if unknown.
  int numa_node_of(int cpu) const;

  /// Pins the calling thread to processor `cpu`. Throws ResourceError.
  void pin(int cpu) const;

  /// Pages of data..data + bytes that are not touched yet will lie on NUMA node `node` (the
  /// operating system's number). Says no, and changes nothing, where the system will not or we may
  /// not use that node.
  bool bind_memory(std::byte* data, std::int64_t bytes, int node) const;

 private:
  std::unique_ptr<hwloc_topology, void (*)(hwloc_topology*)> topology_;
};

}  // namespace convscale
