// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/input_check.hpp"

#include "common/digest.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace convscale {
namespace {

/// The first of `count` elements that differ in a bit; `count` if none.
template <class T>
std::int64_t first_difference(const T* a, const T* b, std::int64_t count) {
  const auto same = [](T x, T y) { return bits_of(x) == bits_of(y); };
  return std::mismatch(a, a + count, b, same).first - a;
}

template <class T>
std::string describe(std::int64_t image, const char* element, std::int64_t row, std::int64_t column,
                     T was, T is) {
  return fmt::format(
      "image {}, {} ({}, {}) was {:.17g} and is {:.17g} after the iterations: the "
      "backend changed its inputs",
      image, element, row, column, was, is);
}

/// What was changed of one image and its filter; `own` holds a row, or a filter.
template <class T>
std::string changed_in_image(const Workload& workload, std::int64_t image, std::int64_t offset,
                             const T* pixels, const T* taps, std::vector<T>& own,
                             const std::function<bool()>& keep_going) {
  const Shape& s = workload.shape();
  own.resize(static_cast<std::size_t>(std::max(s.width, s.taps())));
  workload.filter(image, own.data());
  if (const std::int64_t tap = first_difference(own.data(), taps, s.taps()); tap < s.taps()) {
    return describe(image, "filter tap", tap / s.filter_size.width, tap % s.filter_size.width,
                    own[static_cast<std::size_t>(tap)], taps[tap]);
  }
  for (std::int64_t row = 0; row < s.height; ++row) {
    if (row != 0 && row != s.height - 1 && row % kInputCheckRows != offset) continue;
    if (!keep_going()) return "";
    workload.rows(image, row, row + 1, own.data());
    const T* is = pixels + row * s.width;
    if (const std::int64_t x = first_difference(own.data(), is, s.width); x < s.width)
      return describe(image, "pixel", row, x, own[static_cast<std::size_t>(x)], is[x]);
  }
  return "";
}

}  // namespace

template <class T>
std::string changed_input(const Workload& workload, const T* images, const T* filters,
                          ThreadTeam& team, std::int64_t first_image,
                          const std::function<bool()>& keep_going) {
  const Shape& s = workload.shape();
  std::mutex mutex;
  std::string first;
  std::int64_t first_at = s.images;
  team.for_each_index(s.images, [&](std::int64_t i) {
    std::vector<T> own;
    // 27 and 64 have no common divisor: in turn, each row is one that is compared.
    const std::string changed =
        changed_in_image(workload, first_image + i, 27 * i % kInputCheckRows,
                         images + i * s.pixels(), filters + i * s.taps(), own, keep_going);
    if (changed.empty()) return;
    const std::scoped_lock lock(mutex);
    if (i > first_at) return;
    first = changed;
    first_at = i;
  });
  if (!first.empty()) workload.require_unchanged();
  return first;
}

template std::string changed_input(const Workload&, const double*, const double*, ThreadTeam&,
                                   std::int64_t, const std::function<bool()>&);
template std::string changed_input(const Workload&, const float*, const float*, ThreadTeam&,
                                   std::int64_t, const std::function<bool()>&);

}  // namespace convscale
