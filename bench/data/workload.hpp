// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/npy.hpp"
#include "common/shape.hpp"
#include "common/vocabulary.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace convscale {

class ThreadTeam;

/// Images and filters by global index: generated, or read from files. The same bits for any number
/// of workers or ranks.
class Workload {
 public:
  /// Generated data, or that of files in place of images, filters or both; their sizes already
  /// stand in `shape`. Filters of a file are one for all images or one each.
  Workload(const Shape& shape, Fill fill, std::uint64_t seed,
           std::shared_ptr<const NpyStack> images = nullptr,
           std::shared_ptr<const NpyStack> filters = nullptr);

  const Shape& shape() const { return shape_; }
  /// The same data, for `fill` of another number of images.
  Workload with_images(std::int64_t images) const {
    Workload other = *this;
    other.shape_.images = images;
    return other;
  }

  /// Writes image `index`: (height, width), row-major.
  template <class T>
  void image(std::int64_t index, T* out) const {
    pixels(index, 0, shape_.pixels(), out);
  }
  /// Writes rows row_begin..row_end of it.
  template <class T>
  void rows(std::int64_t index, std::int64_t row_begin, std::int64_t row_end, T* out) const {
    pixels(index, row_begin * shape_.width, row_end * shape_.width, out);
  }
  /// Writes filter `index`: (filter_height, filter_width), row-major, not flipped.
  template <class T>
  void filter(std::int64_t index, T* out) const;

  /// Throws ResourceError where somebody has written to a file since it was opened.
  void require_unchanged() const;

  /// Writes all images (images, height, width) and filters (images, filter_height, filter_width),
  /// in parallel over bands of rows. Throws UsageError where a tap of a file is not finite, and
  /// ResourceError where a file cannot be read or has changed.
  /// The first of them has the global index `first_image`. `keep_going` is called now and then with
  /// the share that is done; once it says no, the rest stays as it was.
  template <class T>
  void fill(T* images, T* filters, ThreadTeam& team, std::int64_t first_image = 0,
            const std::function<bool(double done)>& keep_going = {}) const;

 private:
  /// Pixels begin..end of image `index`: whole rows where they come from a file.
  template <class T>
  void pixels(std::int64_t index, std::int64_t begin, std::int64_t end, T* out) const;

  Shape shape_;
  Fill fill_;
  std::uint64_t seed_;
  std::shared_ptr<const NpyStack> images_;
  std::shared_ptr<const NpyStack> filters_;
};

}  // namespace convscale
