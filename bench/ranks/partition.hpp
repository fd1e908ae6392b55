// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/config.hpp"

#include <vector>

namespace convscale {

/// What one rank does of a configuration.
struct RankPart {
  int num_workers = 0;
  Range images;  ///< of the whole workload; empty where it has no worker, or too few images
  bool operator==(const RankPart&) const = default;
};

/// Deals `workers` to `ranks` ranks round-robin, and to each worker its contiguous block of
/// `images`, whose sizes differ by at most one; blocks of a rank's workers lie side by side. A
/// part for each rank, in their order.
std::vector<RankPart> deal_parts(std::int64_t images, int workers, int ranks);

/// The part of `config` that `part` is; its images are counted from the first of `part`, which
/// is not empty.
Config config_of(const Config& config, const RankPart& part);

/// The devices of rank `local_rank` of `local_ranks` on one host that has `count`: of
/// `config.devices` (empty: all) a block of its own, or, where the user chose none, one. A host
/// that shows a single device to each of several ranks has given each its own already. Throws
/// UnsupportedError where there are fewer devices than ranks.
std::vector<int> devices_of(const Config& config, int count, int local_rank, int local_ranks);

}  // namespace convscale
