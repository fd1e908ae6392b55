// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/report/record.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace convscale {

/// The line of least squares through `points`. Null with fewer than three different numbers of
/// images.
std::optional<TimeLine> fit_line(std::span<const ImagesTime> points);

/// The least number of images, 1 or more, from which on `gpu` is below `cpu` for every number of
/// images. Null if there is none.
std::optional<std::int64_t> pays_from(const TimeLine& cpu, const TimeLine& gpu);

/// The least number of passes P over the same data for which upload_s + P * resident_s is less than
/// P * cpu_s. Null if there is none.
std::optional<std::int64_t> passes_to_pay(double upload_s, double resident_s, double cpu_s);

}  // namespace convscale
