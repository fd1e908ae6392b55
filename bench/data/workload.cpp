// SPDX-License-Identifier: Apache-2.0
#include "bench/data/workload.hpp"

#include "common/error.hpp"
#include "common/generator.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

namespace convscale {
namespace {

/// Pixels begin..end of an image. Each Philox block makes two, the first of which is even, and is
/// computed once.
template <class T>
void generate_pixels(Fill fill, std::uint64_t seed, std::int64_t image, std::int64_t begin,
                     std::int64_t end, T* out) {
  std::int64_t element = begin;
  if (element % 2 != 0 && element < end) *out++ = generator::pixel<T>(fill, seed, image, element++);
  for (; element + 2 <= end; element += 2) {
    const generator::Words w =
        generator::words_of(seed, generator::Stream::kPixels, image, element / 2);
    *out++ = generator::pixel_of<T>(fill, w.word[0], w.word[1]);
    *out++ = generator::pixel_of<T>(fill, w.word[2], w.word[3]);
  }
  if (element < end) *out = generator::pixel<T>(fill, seed, image, element);
}

}  // namespace

Workload::Workload(const Shape& shape, Fill fill, std::uint64_t seed,
                   std::shared_ptr<const NpyStack> images, std::shared_ptr<const NpyStack> filters)
    : shape_(shape),
      fill_(fill),
      seed_(seed),
      images_(std::move(images)),
      filters_(std::move(filters)) {}

template <class T>
void Workload::pixels(std::int64_t index, std::int64_t begin, std::int64_t end, T* out) const {
  if (images_) return images_->read_rows(index, begin / shape_.width, end / shape_.width, out);
  generate_pixels(fill_, seed_, index, begin, end, out);
}

template <class T>
void Workload::filter(std::int64_t index, T* out) const {
  if (!filters_) {
    for (std::int64_t tap = 0; tap < shape_.taps(); ++tap)
      out[tap] = generator::tap<T>(fill_, seed_, index, tap);
    return;
  }
  const std::int64_t in_file = filters_->count() == 1 ? 0 : index;
  filters_->read(in_file, out);
  const T* bad =
      std::find_if_not(out, out + shape_.taps(), [](T tap) { return std::isfinite(tap); });
  if (bad != out + shape_.taps()) {
    throw UsageError(fmt::format("{}: tap {} of filter {} is {} as float{}; give finite taps",
                                 filters_->path(), bad - out, in_file, *bad, 8 * sizeof(T)));
  }
}

template <class T>
void Workload::fill(T* images, T* filters, ThreadTeam& team, std::int64_t first_image,
                    const std::function<bool(double done)>& keep_going) const {
  team.for_each_index(
      shape_.images, [&](std::int64_t i) { filter(first_image + i, filters + i * shape_.taps()); });
  // Chunks, so that one large image uses every thread.
  constexpr std::int64_t kChunk = std::int64_t{1} << 16;
  const std::int64_t chunk = images_ ? images_->rows_at_once() * shape_.width : kChunk;
  const std::int64_t chunks = (shape_.pixels() + chunk - 1) / chunk;
  const std::int64_t total = shape_.images * chunks;
  std::atomic<std::int64_t> finished{0};
  std::atomic<bool> stopped{false};
  team.for_each_index(total, [&](std::int64_t i) {
    if (stopped) return;
    const std::int64_t image = i / chunks, begin = i % chunks * chunk;
    const std::int64_t end = std::min(begin + chunk, shape_.pixels());
    pixels(first_image + image, begin, end, images + image * shape_.pixels() + begin);
    const double done = static_cast<double>(++finished) / static_cast<double>(total);
    if (keep_going && !keep_going(done)) stopped = true;
  });
  if (!stopped) require_unchanged();
}

void Workload::require_unchanged() const {
  for (const auto& file : {images_, filters_}) {
    if (file) file->require_unchanged();
  }
}

template void Workload::pixels(std::int64_t, std::int64_t, std::int64_t, double*) const;
template void Workload::pixels(std::int64_t, std::int64_t, std::int64_t, float*) const;
template void Workload::filter(std::int64_t, double*) const;
template void Workload::filter(std::int64_t, float*) const;
template void Workload::fill(double*, double*, ThreadTeam&, std::int64_t,
                             const std::function<bool(double)>&) const;
template void Workload::fill(float*, float*, ThreadTeam&, std::int64_t,
                             const std::function<bool(double)>&) const;

}  // namespace convscale
