// SPDX-License-Identifier: Apache-2.0
#include "cpu/schedule.hpp"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

namespace convscale {
namespace {

/// How often each (image, row) is dealt, over all workers.
std::map<std::pair<std::int64_t, std::int64_t>, int> rows_dealt(Range range,
                                                                std::int64_t out_height,
                                                                bool whole_images, int workers) {
  std::map<std::pair<std::int64_t, std::int64_t>, int> count;
  for (int worker = 0; worker < workers; ++worker) {
    for_each_band(range, out_height, whole_images, workers, worker, [&](const RowBand& band) {
      EXPECT_LT(band.row_begin, band.row_end);
      for (std::int64_t row = band.row_begin; row < band.row_end; ++row) ++count[{band.image, row}];
    });
  }
  return count;
}

TEST(Schedule, EveryRowIsDealtOnce) {
  for (const std::int64_t images : {1, 2, 5, 33}) {
    for (const std::int64_t out_height : {1, 3, 201}) {
      for (const int workers : {1, 2, 3, 7, 64}) {
        for (const bool whole_images : {true, false}) {
          const auto count = rows_dealt({4, 4 + images}, out_height, whole_images, workers);
          EXPECT_EQ(std::ssize(count), images * out_height);
          for (const auto& [where, times] : count) {
            EXPECT_EQ(times, 1);
            EXPECT_GE(where.first, 4);
            EXPECT_LT(where.first, 4 + images);
          }
        }
      }
    }
  }
}

std::vector<RowBand> bands_of(Range range, std::int64_t out_height, bool whole_images, int workers,
                              int worker) {
  std::vector<RowBand> bands;
  for_each_band(range, out_height, whole_images, workers, worker,
                [&](const RowBand& band) { bands.push_back(band); });
  return bands;
}

TEST(Schedule, StaticDealsWholeImagesInBlocks) {
  const std::vector<RowBand> bands = bands_of({0, 33}, 201, true, 4, 0);
  ASSERT_EQ(bands.size(), 9u);  // 9, 8, 8, 8
  EXPECT_EQ(bands.front(), (RowBand{0, 0, 201}));
  EXPECT_EQ(bands.back(), (RowBand{8, 0, 201}));
}

TEST(Schedule, SplitUsesEveryWorkerOnOneImageAndCrossesImages) {
  EXPECT_EQ(bands_of({0, 1}, 100, false, 4, 3), (std::vector<RowBand>{{0, 75, 100}}));
  EXPECT_EQ(bands_of({10, 13}, 10, false, 2, 0), (std::vector<RowBand>{{10, 0, 10}, {11, 0, 5}}));
}

}  // namespace
}  // namespace convscale
