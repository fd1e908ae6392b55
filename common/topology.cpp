// SPDX-License-Identifier: Apache-2.0
#include "common/topology.hpp"

#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwloc.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <new>
#include <set>
#include <tuple>
#include <utility>

namespace convscale {
namespace {

/// What hwloc makes of `text`, XML or its synthetic notation, or, where it is empty, of the machine
/// that we run on; null where it cannot.
hwloc_topology_t try_to_load(const std::string& text, unsigned long flags) {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) throw ResourceError("hwloc cannot start: out of memory");
  int failed = 0;
  if (text.starts_with('<')) {
    failed =
        hwloc_topology_set_xmlbuffer(topology, text.c_str(), static_cast<int>(text.size() + 1));
  } else if (!text.empty()) {
    failed = hwloc_topology_set_synthetic(topology, text.c_str());
  }
  if (failed == 0 && hwloc_topology_set_flags(topology, flags) == 0 &&
      hwloc_topology_load(topology) == 0) {
    return topology;
  }
  hwloc_topology_destroy(topology);
  return nullptr;
}

/// The processors of this process, of which nothing else is known.
std::string flat_machine() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<std::size_t> cpus;
  sched_getaffinity(0, sizeof(mask), &mask);
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  }
  return fmt::format("pu:{}(indexes={})", cpus.size(), fmt::join(cpus, ","));
}

hwloc_topology_t load_this_machine() {
  errno = 0;
  constexpr unsigned long kOurs = HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM;
  // The cpuset cgroup restricts the topology by itself, the affinity mask only on request.
  constexpr unsigned long kWithin = kOurs | HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING;
  if (hwloc_topology_t topology = try_to_load("", kWithin)) return topology;
  const int error = errno;
  if (hwloc_topology_t topology = try_to_load(flat_machine(), kOurs)) return topology;
  throw ResourceError(fmt::format("hwloc cannot read this machine's topology{}",
                                  error == 0 ? "" : fmt::format(": {}", std::strerror(error))));
}

hwloc_topology_t load(const std::string& machine) {
  if (hwloc_topology_t topology = machine.empty() ? nullptr : try_to_load(machine, 0))
    return topology;
  throw UsageError(fmt::format("'{}' is no {} of hwloc's", machine,
                               machine.starts_with('<') ? "XML" : "synthetic topology"));
}

/// The first NUMA node of a processor.
int node_of(hwloc_obj_t pu) {
  const int node = pu != nullptr && pu->nodeset != nullptr ? hwloc_bitmap_first(pu->nodeset) : 0;
  return std::max(node, 0);
}

/// Calls `body` for each object of `type` that has a processor of ours.
template <class Body>
void for_each(hwloc_topology_t topology, hwloc_obj_type_t type, Body&& body) {
  for (hwloc_obj_t object = nullptr;
       (object = hwloc_get_next_obj_by_type(topology, type, object)) != nullptr;) {
    if (object->cpuset != nullptr && hwloc_bitmap_iszero(object->cpuset) == 0) body(object);
  }
}

int count(hwloc_topology_t topology, hwloc_obj_type_t type) {
  int n = 0;
  for_each(topology, type, [&](hwloc_obj_t) { ++n; });
  return n;
}

std::int64_t cache_bytes(hwloc_obj_t cache) {
  return static_cast<std::int64_t>(cache->attr->cache.size);
}

}  // namespace

Topology::Topology() : topology_(load_this_machine(), &hwloc_topology_destroy) {}
Topology::Topology(const std::string& machine)
    : topology_(load(machine), &hwloc_topology_destroy) {}

int Topology::sockets() const { return std::max(1, count(topology_.get(), HWLOC_OBJ_PACKAGE)); }
int Topology::cores() const {
  int cores = count(topology_.get(), HWLOC_OBJ_CORE);
  for_each(topology_.get(), HWLOC_OBJ_PU, [&](hwloc_obj_t pu) {
    if (hwloc_get_ancestor_obj_by_type(topology_.get(), HWLOC_OBJ_CORE, pu) == nullptr) ++cores;
  });
  return cores;
}
int Topology::threads() const { return count(topology_.get(), HWLOC_OBJ_PU); }
int Topology::numa_nodes() const {
  return std::max(1, hwloc_get_nbobjs_by_type(topology_.get(), HWLOC_OBJ_NUMANODE));
}

std::string Topology::cpu_model() const {
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_PACKAGE, HWLOC_OBJ_MACHINE}) {
    hwloc_obj_t object = hwloc_get_obj_by_type(topology_.get(), type, 0);
    if (object == nullptr) continue;
    if (const char* model = hwloc_obj_get_info_by_name(object, "CPUModel")) return model;
  }
  return "";
}

std::vector<Cache> Topology::caches() const {
  std::vector<Cache> caches;
  for (const auto& [type, name] :
       {std::pair{HWLOC_OBJ_L1CACHE, "L1d"}, std::pair{HWLOC_OBJ_L2CACHE, "L2"},
        std::pair{HWLOC_OBJ_L3CACHE, "L3"}, std::pair{HWLOC_OBJ_L4CACHE, "L4"},
        std::pair{HWLOC_OBJ_L5CACHE, "L5"}}) {
    for_each(topology_.get(), type, [&, level = name](hwloc_obj_t object) {
      const std::int64_t bytes = cache_bytes(object);
      if (bytes == 0) return;  // not known
      auto known = std::ranges::find_if(
          caches, [&](const Cache& c) { return c.name == level && c.bytes == bytes; });
      if (known == caches.end()) known = caches.insert(known, {level, bytes, 0});
      ++known->count;
    });
  }
  return caches;
}

std::int64_t Topology::last_cache_bytes() const {
  std::set<hwloc_obj_t> last;
  for_each(topology_.get(), HWLOC_OBJ_PU, [&](hwloc_obj_t pu) {
    hwloc_obj_t outermost = nullptr;
    for (hwloc_obj_t above = pu->parent; above != nullptr; above = above->parent) {
      if (hwloc_obj_type_is_dcache(above->type) != 0 && cache_bytes(above) > 0) outermost = above;
    }
    if (outermost != nullptr) last.insert(outermost);
  });
  std::int64_t bytes = 0;
  for (hwloc_obj_t cache : last) bytes += cache_bytes(cache);
  return bytes;
}

std::string Topology::affinity() const {
  char* text = nullptr;
  if (hwloc_bitmap_list_asprintf(&text, hwloc_topology_get_topology_cpuset(topology_.get())) < 0)
    return "";
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  return text;
}

std::vector<int> Topology::order(Bind bind) const {
  if (bind == Bind::kNone) return {};
  // hwloc's logical order of PUs has SMT siblings together and cores, caches and sockets side by
  // side: that is `compact`. `spread` sorts by (SMT rank in the core, turn among the cores of the
  // NUMA node, NUMA node).
  std::vector<int> compact;
  std::map<std::tuple<int, int, int>, int> spread;
  std::map<std::pair<int, int>, int> turns;  // (SMT rank, node): cores seen so far
  hwloc_obj_t last_core = nullptr;
  int smt = 0;
  for_each(topology_.get(), HWLOC_OBJ_PU, [&](hwloc_obj_t pu) {
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology_.get(), HWLOC_OBJ_CORE, pu);
    smt = core != nullptr && core == last_core ? smt + 1 : 0;
    last_core = core;
    const int node = node_of(pu);
    const int cpu = static_cast<int>(pu->os_index);
    compact.push_back(cpu);
    spread.emplace(std::tuple(smt, turns[{smt, node}]++, node), cpu);
  });
  if (bind == Bind::kCompact) return compact;
  std::vector<int> cpus;
  for (const auto& [turn, cpu] : spread) cpus.push_back(cpu);
  return cpus;
}

int Topology::numa_node_of(int cpu) const {
  return node_of(hwloc_get_pu_obj_by_os_index(topology_.get(), static_cast<unsigned>(cpu)));
}

void Topology::pin(int cpu) const {
  const std::unique_ptr<hwloc_bitmap_s, decltype(&hwloc_bitmap_free)> set(hwloc_bitmap_alloc(),
                                                                          &hwloc_bitmap_free);
  if (!set || hwloc_bitmap_only(set.get(), static_cast<unsigned>(cpu)) != 0) throw std::bad_alloc();
  if (hwloc_set_cpubind(topology_.get(), set.get(), HWLOC_CPUBIND_THREAD) != 0) {
    throw ResourceError(fmt::format("cannot pin a worker to CPU {}: {}; --bind none would do", cpu,
                                    std::strerror(errno)));
  }
}

bool Topology::bind_memory(std::byte* data, std::int64_t bytes, int node) const {
  hwloc_obj_t object =
      hwloc_get_numanode_obj_by_os_index(topology_.get(), static_cast<unsigned>(node));
  return object != nullptr &&
         hwloc_set_area_membind(topology_.get(), data, static_cast<std::size_t>(bytes),
                                object->nodeset, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET) == 0;
}

}  // namespace convscale
