// SPDX-License-Identifier: Apache-2.0
#include "common/topology.hpp"

#include "common/error.hpp"

#include <fmt/format.h>
#include <hwloc.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <new>

namespace convscale {
namespace {

hwloc_topology_t load(const std::string* synthetic) {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) throw ResourceError("hwloc cannot start: out of memory");
  if (synthetic != nullptr) {
    if (hwloc_topology_set_synthetic(topology, synthetic->c_str()) != 0) {
      hwloc_topology_destroy(topology);
      throw UsageError(fmt::format("'{}' is no synthetic hwloc topology", *synthetic));
    }
  } else {
    // The cpuset cgroup restricts the topology by itself, the affinity mask only on request.
    hwloc_topology_set_flags(
        topology, HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM | HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING);
  }
  if (hwloc_topology_load(topology) != 0) {
    hwloc_topology_destroy(topology);
    throw ResourceError(
        fmt::format("hwloc cannot read this machine's topology: {}", std::strerror(errno)));
  }
  return topology;
}

/// The first NUMA node of a processor.
int node_of(hwloc_obj_t pu) {
  return pu != nullptr && pu->nodeset != nullptr ? hwloc_bitmap_first(pu->nodeset) : 0;
}

int count(hwloc_topology_t topology, hwloc_obj_type_t type) {
  const int n = hwloc_get_nbobjs_by_type(topology, type);
  return n > 0 ? n : 0;
}

}  // namespace

void Topology::Destroy::operator()(hwloc_topology* topology) const {
  hwloc_topology_destroy(topology);
}

Topology::Topology() : topology_(load(nullptr)) {}
Topology::Topology(const std::string& synthetic) : topology_(load(&synthetic)) {}

int Topology::sockets() const { return count(topology_.get(), HWLOC_OBJ_PACKAGE); }
int Topology::cores() const { return count(topology_.get(), HWLOC_OBJ_CORE); }
int Topology::threads() const { return count(topology_.get(), HWLOC_OBJ_PU); }
int Topology::numa_nodes() const { return count(topology_.get(), HWLOC_OBJ_NUMANODE); }

std::string Topology::cpu_model() const {
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_PACKAGE, HWLOC_OBJ_MACHINE}) {
    hwloc_obj_t object = hwloc_get_obj_by_type(topology_.get(), type, 0);
    if (object == nullptr) continue;
    if (const char* model = hwloc_obj_get_info_by_name(object, "CPUModel")) return model;
  }
  return "";
}

std::vector<Cache> Topology::caches() const {
  static constexpr struct {
    hwloc_obj_type_t type;
    const char* name;
  } kLevels[] = {{HWLOC_OBJ_L1CACHE, "L1d"},
                 {HWLOC_OBJ_L2CACHE, "L2"},
                 {HWLOC_OBJ_L3CACHE, "L3"},
                 {HWLOC_OBJ_L4CACHE, "L4"}};
  std::vector<Cache> caches;
  for (const auto& level : kLevels) {
    if (hwloc_obj_t object = hwloc_get_obj_by_type(topology_.get(), level.type, 0)) {
      caches.push_back({level.name, static_cast<std::int64_t>(object->attr->cache.size),
                        count(topology_.get(), level.type)});
    }
  }
  return caches;
}

std::int64_t Topology::last_cache_bytes() const {
  const std::vector<Cache> all = caches();
  return all.empty() ? 0 : all.back().bytes * all.back().count;
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
  struct Key {
    int smt, turn, node;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<int> compact;
  std::map<Key, int> spread;
  std::map<std::pair<int, int>, int> turns;  // (SMT rank, node): cores seen so far
  hwloc_obj_t last_core = nullptr;
  int smt = 0;
  for (hwloc_obj_t pu = nullptr;
       (pu = hwloc_get_next_obj_by_type(topology_.get(), HWLOC_OBJ_PU, pu)) != nullptr;) {
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology_.get(), HWLOC_OBJ_CORE, pu);
    smt = core != nullptr && core == last_core ? smt + 1 : 0;
    last_core = core;
    const int node = node_of(pu);
    const int cpu = static_cast<int>(pu->os_index);
    compact.push_back(cpu);
    spread.emplace(Key{smt, turns[{smt, node}]++, node}, cpu);
  }
  if (bind == Bind::kCompact) return compact;
  std::vector<int> cpus;
  cpus.reserve(spread.size());
  for (const auto& [key, cpu] : spread) cpus.push_back(cpu);
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
  const int nodes = hwloc_get_nbobjs_by_type(topology_.get(), HWLOC_OBJ_NUMANODE);
  for (int i = 0; i < nodes; ++i) {
    hwloc_obj_t object =
        hwloc_get_obj_by_type(topology_.get(), HWLOC_OBJ_NUMANODE, static_cast<unsigned>(i));
    if (object->os_index != static_cast<unsigned>(node)) continue;
    return hwloc_set_area_membind(topology_.get(), data, static_cast<std::size_t>(bytes),
                                  object->nodeset, HWLOC_MEMBIND_BIND,
                                  HWLOC_MEMBIND_BYNODESET) == 0;
  }
  return false;
}

}  // namespace convscale
