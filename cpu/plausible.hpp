// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/limits.hpp"
#include "common/vocabulary.hpp"
#include "cpu/row_kernel.hpp"

#include <optional>
#include <span>
#include <string>

/// What a measured ceiling cannot be. These look for a measurement that counts what was not done,
/// and must not cry where a machine is merely noisy: then nobody would listen.
namespace convscale {

/// A remark where `flops_per_s` is more than `cores` cores can do with `loops` in `dtype` at
/// `clock`: each has two units for multiply-adds (processors with vectors of 16 bytes up to four).
/// Null where it is not, or the clock is not known.
std::optional<std::string> remark_on_peak(double flops_per_s, int cores, const CeilingLoops& loops,
                                          Dtype dtype, const std::optional<ProcessorClock>& clock);

/// A remark where the workers' best reads differ by more than fifty times. That is more than memory
/// that is far away (two to four times), slow cores beside fast ones (two to three times) or a part
/// that fits a cache beside one that does not (some ten times) make of them; and the best of many
/// passes is one that nothing disturbed. Who reads nothing is thousands of times as fast.
std::optional<std::string> remark_on_reads(std::span<const double> best_bytes_per_s);

}  // namespace convscale
