// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/thread_team.hpp"

#include <algorithm>
#include <cstdint>

namespace convscale {

/// Kept rows row_begin..row_end of one image: what a worker computes at a time.
struct RowBand {
  std::int64_t image = 0;
  std::int64_t row_begin = 0;
  std::int64_t row_end = 0;
  bool operator==(const RowBand&) const = default;
};

/// Calls `body(RowBand)` for worker `worker`'s part of `range`, in order. `whole_images` (schedule
/// `static`): a contiguous block of images. Otherwise (`split`): a contiguous block of the rows of
/// all images, so that one large image uses every worker.
template <class Body>
void for_each_band(Range range, std::int64_t out_height, bool whole_images, int workers, int worker,
                   Body&& body) {
  const std::int64_t images = range.end - range.begin;
  Range rows;
  if (whole_images) {
    const Range block = block_of(images, workers, worker);
    rows = {block.begin * out_height, block.end * out_height};
  } else {
    rows = block_of(images * out_height, workers, worker);
  }
  for (std::int64_t row = rows.begin; row < rows.end;) {
    const std::int64_t image = row / out_height, first = row % out_height;
    const std::int64_t count = std::min(out_height - first, rows.end - row);
    body(RowBand{range.begin + image, first, first + count});
    row += count;
  }
}

/// Calls `body(RowBand)` for parts of `band` of at most `rows` rows, in order, until `stop()`.
template <class Stop, class Body>
void for_each_piece(const RowBand& band, std::int64_t rows, const Stop& stop, Body&& body) {
  for (std::int64_t row = band.row_begin; row < band.row_end && !stop(); row += rows)
    body(RowBand{band.image, row, std::min(row + rows, band.row_end)});
}

}  // namespace convscale
