// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/workload.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace convscale {

class ThreadTeam;

/// The rows of every image that `changed_input` compares: the first, the last, and every so many
/// between.
inline constexpr std::int64_t kInputCheckRows = 64;

/// Looks whether inputs are still what `workload` makes: a backend that changed them would be
/// compared with what it made of them. Takes a sample, bit by bit: all filters, and of each image
/// the first and the last row and every 64th, of which no two neighbouring images have the same; of
/// 1000 rows some 18, which takes 2 % of the time that making the images took. `images` (images,
/// height, width) and `filters` (images, K, K) begin with image `first_image` of the workload.
/// Returns what was changed first, or nothing; also nothing once `keep_going` says no. Throws
/// ResourceError where a file cannot be read again, or was changed itself.
template <class T>
std::string changed_input(const Workload& workload, const T* images, const T* filters,
                          ThreadTeam& team, std::int64_t first_image,
                          const std::function<bool()>& keep_going);

}  // namespace convscale
