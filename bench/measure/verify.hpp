// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/report/record.hpp"
#include "common/shape.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace convscale {

class ThreadTeam;

/// Called now and then with the share that is done, 0..1, from any thread; false asks to stop.
using KeepGoing = std::function<bool(double done)>;

/// Compares `results` (images, out_height, out_width) with the reference on `images` (images,
/// height, width) and `filters` (images, K, K), in parallel over bands of rows, so that no second
/// copy of anything is held. An output passes if
///     |got - expected| <= K^2 * (eps(T) * sum(|tap| * |pixel|) + denorm_min(T)),
/// the worst case of K^2 rounded products and sums in any order (Higham, "Accuracy and Stability of
/// Numerical Algorithms", section 3.1), denormal ones included; NaN must meet NaN and an infinity
/// the same infinity, unless finite pixels overflow T, where the order of the sum decides. The
/// reserved poison never passes. Status `kSkipped` if `keep_going` said no. Messages count images
/// from `first_image` on.
template <class T>
Verification verify(const Shape& shape, const T* images, const T* filters, const T* results,
                    ThreadTeam& team, const KeepGoing& keep_going = {},
                    std::int64_t first_image = 0);

/// What several processes found, as one verification of all of it; null where one had nothing to
/// verify.
Verification merged(const std::vector<std::optional<Verification>>& parts);

}  // namespace convscale
