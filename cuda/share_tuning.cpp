// SPDX-License-Identifier: Apache-2.0
// What a share does for kernels that are planned for just its chunks, and choose by trying.
#include "cuda/share.hpp"

#include <map>
#include <utility>

namespace convscale::cuda {

Alignment Share::alignment() {
  Alignment alignment{kBufferAlignment, kBufferAlignment, kBufferAlignment};
  if (!fits_) return alignment;  // every chunk starts in its stream's room
  for_each_chunk(images_, [&](const Worker&, std::int64_t first, std::int64_t) {
    alignment = least(alignment, alignment_at(config_.shape, config_.dtype, first - images_.begin));
  });
  return alignment;
}

/// Each stream's first chunk, and the first that is an image shorter if any is.
void Share::tune() {
  std::map<const Worker*, std::int64_t> tuned;
  for_each_chunk(images_, [&](const Worker& worker, std::int64_t first, std::int64_t images) {
    if (std::exchange(tuned[&worker], images) == images) return;
    const Place place = place_of(worker, first);
    if (!resident()) upload(worker, place, first, images);
    worker.plan->tune(batch_of(worker, place, images), worker.stream.get());
  });
  synchronize();
}

}  // namespace convscale::cuda
