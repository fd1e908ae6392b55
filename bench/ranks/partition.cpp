// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/partition.hpp"

#include "common/error.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>

#include <numeric>

namespace convscale {

std::vector<RankPart> deal_parts(std::int64_t images, int workers, int ranks) {
  std::vector<RankPart> shares;
  std::int64_t first_worker = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto mine = static_cast<int>(block_of(workers, ranks, rank).size());
    RankPart share;
    share.num_workers = mine;
    if (mine > 0) {
      share.images.begin = block_of(images, workers, first_worker).begin;
      share.images.end = block_of(images, workers, first_worker + mine - 1).end;
    }
    first_worker += mine;
    shares.push_back(share);
  }
  return shares;
}

Config config_of(const Config& config, const RankPart& share) {
  Config part = config;
  part.shape.images = share.count();
  part.num_workers = share.num_workers;
  return part;
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
