// SPDX-License-Identifier: Apache-2.0
#include "cpu/placement.hpp"

#include <fmt/format.h>

namespace convscale {

std::optional<std::string> placement_of(const Topology& topology, const Config& config,
                                        std::span<const int> cpus) {
  if (topology.numa_nodes() < 2) return "";
  if (cpus.empty()) return std::nullopt;
  // Which images a worker touches follows from the number of workers, and which rows of an image
  // also from the rows that are kept.
  std::string text = "images";
  if (config.schedule == Schedule::kSplit) text = fmt::format("rows {}", config.shape.stride);
  for (int worker = 0; worker < config.num_workers; ++worker) {
    const int cpu = cpus[static_cast<std::size_t>(worker) % cpus.size()];
    text += fmt::format(" {}", topology.numa_node_of(cpu));
  }
  return text;
}

}  // namespace convscale
