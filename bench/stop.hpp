// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/config.hpp"
#include "common/record.hpp"

#include <optional>
#include <span>

namespace convscale {

/// Why a measurement of `config` ends now, with `times_s` of its measured iterations and
/// `elapsed_s` since it began; null while it goes on. `elapsed_s` counts what is done between the
/// iterations, too.
std::optional<StoppedBy> stop_now(const Config& config, std::span<const double> times_s,
                                  double elapsed_s);

/// About how much of the measurement is done, 0..1, for a progress bar. `iterations` counts burns.
double done_share(const Config& config, int iterations, std::span<const double> times_s,
                  double elapsed_s);

}  // namespace convscale
