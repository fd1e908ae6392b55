// SPDX-License-Identifier: Apache-2.0
// What a share does for kernels that are planned for just its chunks, and choose by trying.
#include "common/thread_team.hpp"
#include "cuda/geometry.hpp"
#include "cuda/share.hpp"

#include <utility>

namespace convscale::cuda {

void Share::for_each_chunk(
    const std::function<void(std::size_t, std::int64_t, std::int64_t)>& body) const {
  const auto streams = static_cast<std::int64_t>(workers_.size());
  const std::int64_t chunks = divided_up(block_of(count(), streams, 0).size(), chunk_images_);
  for (std::int64_t w = 0; w < streams; ++w) {
    const Range block = block_of(count(), streams, w);
    for (std::int64_t c = 0; c < chunks; ++c) {
      const Range chunk = block_of(block.size(), chunks, c);
      if (chunk.size() > 0)
        body(static_cast<std::size_t>(w), images_.begin + block.begin + chunk.begin, chunk.size());
    }
  }
}

Alignment Share::alignment() const {
  Alignment alignment{kBufferAlignment, kBufferAlignment, kBufferAlignment};
  if (!fits_) return alignment;  // every chunk starts in its stream's room
  for_each_chunk([&](std::size_t, std::int64_t first, std::int64_t) {
    alignment = least(alignment, alignment_at(config_.shape, config_.dtype, first - images_.begin));
  });
  return alignment;
}

/// Each stream's first chunk, and the first that is an image shorter if any is.
void Share::tune() {
  std::vector<std::int64_t> tuned(workers_.size());
  for_each_chunk([&](std::size_t w, std::int64_t first, std::int64_t images) {
    if (std::exchange(tuned[w], images) == images) return;
    const Worker& worker = workers_[w];
    const Place place = place_of(worker, first);
    if (!resident()) upload(worker, place, first, images);
    worker.plan->tune(batch_of(worker, place, images), worker.stream.get());
  });
  synchronize();
}

std::string Share::path() const {
  const std::string of_kernel = workers_.front().plan ? workers_.front().plan->path() : "";
  if (!sends_needless_rows_) return of_kernel;
  return of_kernel + (of_kernel.empty() ? "" : ", ") + "all rows are sent";
}

}  // namespace convscale::cuda
