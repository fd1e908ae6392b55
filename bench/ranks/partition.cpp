// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/partition.hpp"

#include "common/error.hpp"

#include <fmt/format.h>

#include <numeric>

namespace convscale {

std::vector<RankPart> deal_parts(std::int64_t images, int workers, int ranks) {
  std::vector<RankPart> parts;
  for (int rank = 0; rank < ranks; ++rank) {
    const Range mine = block_of(workers, ranks, rank);
    RankPart& part = parts.emplace_back();
    part.num_workers = static_cast<int>(mine.size());
    if (mine.size() == 0) continue;
    part.images.begin = block_of(images, workers, mine.begin).begin;
    part.images.end = block_of(images, workers, mine.end - 1).end;
  }
  return parts;
}

Config config_of(const Config& config, const RankPart& part) {
  Config own = config;
  own.shape.images = part.images.size();
  own.num_workers = part.num_workers;
  return own;
}

std::vector<int> devices_of(const Config& config, int count, int local_rank, int local_ranks) {
  const bool may_be_the_first = !config.devices_chosen || config.devices == std::vector{0};
  if (count == 1 && local_ranks > 1 && may_be_the_first) return {0};
  std::vector<int> devices = config.devices;
  if (devices.empty() || !config.devices_chosen) {
    devices.resize(static_cast<std::size_t>(count));
    std::iota(devices.begin(), devices.end(), 0);
  }
  if (std::ssize(devices) < local_ranks) {
    throw UnsupportedError(fmt::format(
        "--backend {}: {} ranks on this host want a device each, and there {} {}; "
        "start as many ranks as devices",
        config.backend, local_ranks, devices.size() == 1 ? "is" : "are", devices.size()));
  }
  if (!config.devices_chosen) return {devices[static_cast<std::size_t>(local_rank)]};
  const Range block = block_of(std::ssize(devices), local_ranks, local_rank);
  return {devices.begin() + block.begin, devices.begin() + block.end};
}

}  // namespace convscale
