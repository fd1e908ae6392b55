// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/topology.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convscale {

/// On which NUMA node which part of the images lies when `config`'s workers, on processors `cpus`
/// in turn, touch their own first: BackendNeeds::placement of the CPU. Empty on a machine of one
/// node, where every place is as good; null where workers are not pinned on a machine of several.
std::optional<std::string> placement_of(const Topology& topology, const Config& config,
                                        std::span<const int> cpus);

/// The processors of `config`'s workers, in the order in which they take them: Topology::order, of
/// which each of several processes on this host gets a part. With more processes than processors
/// some have to share one.
std::vector<int> processors_of(const Topology& topology, const Config& config,
                               const Assignment& assignment);

}  // namespace convscale
