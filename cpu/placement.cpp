// SPDX-License-Identifier: Apache-2.0
#include "cpu/placement.hpp"

#include "common/thread_team.hpp"

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

std::vector<int> processors_of(const Topology& topology, const Config& config,
                               const Assignment& assignment) {
  std::vector<int> all = topology.order(config.bind);
  const auto part = static_cast<std::size_t>(assignment.host_part);
  const auto parts = static_cast<std::size_t>(assignment.host_parts);
  if (parts <= 1 || all.empty()) return all;
  if (all.size() < parts) return {all[part % all.size()]};
  if (config.bind == Bind::kCompact) {
    const Range block = block_of(std::ssize(all), assignment.host_parts, assignment.host_part);
    return {all.begin() + block.begin, all.begin() + block.end};
  }
  // NUMA nodes follow one another in turn, so that as many processes as nodes get one each.
  std::vector<int> mine;
  for (std::size_t i = part; i < all.size(); i += parts) mine.push_back(all[i]);
  return mine;
}

}  // namespace convscale
