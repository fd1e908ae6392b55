// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/report/record.hpp"

#include <functional>
#include <vector>

namespace convscale {

/// Measures one more configuration. Throws nothing: what goes wrong stands in the record.
using MeasureMore = std::function<Record(const Config&)>;

/// From how many images on, and after how many passes over the same data, the GPU pays: an entry
/// for each workload (method, dtype, shape) that ran both on a device and without one, from the
/// fastest row of each. Both are measured at fewer images too (a quarter, a half; three numbers
/// in all), the GPU end to end; and the GPU once with its data resident, unless a row was. Nothing
/// of that is verified against the reference. Null figures carry a reason.
///
/// The upload is images and filters at the measured rate of the link: a backend may make resident
/// data where they stay, so the time of Backend::load need not be that of a copy.
std::vector<BreakEven> find_break_even(const std::vector<Record>& records,
                                       const MeasureMore& measure);

}  // namespace convscale
