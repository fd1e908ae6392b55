// SPDX-License-Identifier: Apache-2.0
// Of many passes of a ceiling the record keeps one figure: which one.
#include "bench/measure/iterations.hpp"
#include "common/backend.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace convscale {
namespace {

/// The ceilings of a record whose passes gave `rates`; the k-th ceiling gave 10^k times as much.
Ceilings ceilings_of(const std::vector<double>& rates) {
  Iterations samples;
  for (const double rate : rates) {
    samples.add(Ceilings{.read_bytes_per_s = rate,
                         .copy_bytes_per_s = 1e7 * rate,
                         .peak_flops_per_s = 10 * rate,
                         .up_bytes_per_s = 1e2 * rate,
                         .down_bytes_per_s = 1e3 * rate,
                         .duplex_bytes_per_s = 1e4 * rate,
                         .scatter_bytes_per_s = 1e5 * rate,
                         .gather_bytes_per_s = 1e6 * rate});
  }
  samples.add_iteration({}, 1);
  Record record;
  record.config.shape = {.images = 1, .height = 10, .width = 10, .filter_size = 4, .stride = 5};
  samples.summarise(record);
  return record.bound.value().ceilings;
}

/// Passes of which first, last, least, most, mean and median all differ.
TEST(CeilingSamples, RatesOfBytesAreMediansAndThePeakIsTheBest) {
  const Ceilings c = ceilings_of({5, 9, 1, 4, 3});  // mean 4.4
  EXPECT_EQ(c.read_bytes_per_s, 4);
  EXPECT_EQ(c.copy_bytes_per_s, 4e7);
  EXPECT_EQ(c.peak_flops_per_s, 90);
  EXPECT_EQ(c.up_bytes_per_s, 4e2);
  EXPECT_EQ(c.down_bytes_per_s, 4e3);
  EXPECT_EQ(c.duplex_bytes_per_s, 4e4);
  EXPECT_EQ(c.scatter_bytes_per_s, 4e5);
  EXPECT_EQ(c.gather_bytes_per_s, 4e6);
}

TEST(CeilingSamples, WhatWasNotMeasuredIsNull) {
  Iterations samples;
  samples.add(Ceilings{.peak_flops_per_s = 7});
  samples.add(Ceilings{.read_bytes_per_s = 3});
  samples.add_iteration({}, 1);
  Record record;
  record.config.shape = {.images = 1, .height = 10, .width = 10, .filter_size = 4, .stride = 5};
  samples.summarise(record);
  EXPECT_EQ(record.bound->ceilings.read_bytes_per_s, 3);
  EXPECT_EQ(record.bound->ceilings.peak_flops_per_s, 7);
  EXPECT_FALSE(record.bound->ceilings.up_bytes_per_s);
  record.facts.direct = false;  // the peak is no bound of what the kernel computes
  samples.summarise(record);
  EXPECT_FALSE(record.bound->ceilings.peak_flops_per_s);
}

}  // namespace
}  // namespace convscale
