// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/verify.hpp"

#include "bench/measure/reference.hpp"
#include "common/digest.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <tuple>

// The build refuses such flags by their names; here whatever way they came.
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "-Ofast and -ffast-math take NaN and infinities for impossible: no result can be verified"
#endif

namespace convscale {
namespace {

struct Worst {
  double error_of_bound = 0;
  std::int64_t output = 0;  // within the image
  double expected = 0;
  std::int64_t image = 0;
};

double error_of_bound(double got, double expected, double bound) {
  constexpr double kMismatch = std::numeric_limits<double>::infinity();
  if (std::isnan(expected) || std::isnan(got))
    return std::isnan(expected) && std::isnan(got) ? 0 : kMismatch;
  if (std::isinf(expected) || std::isinf(got)) return got == expected ? 0 : kMismatch;
  const double error = std::abs(got - expected);
  const double ratio = error == 0 ? 0 : error / bound;
  return std::isnan(ratio) ? kMismatch : ratio;  // both beyond the largest number
}

/// True if no pixel in the window of output (i, j) is NaN or infinite.
template <class T>
bool window_is_finite(const Shape& s, const T* image, std::int64_t i, std::int64_t j) {
  const Axis rows = s.rows(), columns = s.columns();
  const std::int64_t y = rows.origin + i * s.stride, x = columns.origin + j * s.stride;
  for (std::int64_t row = std::max<std::int64_t>(0, y - rows.filter + 1);
       row <= std::min(y, s.height - 1); ++row) {
    for (std::int64_t column = std::max<std::int64_t>(0, x - columns.filter + 1);
         column <= std::min(x, s.width - 1); ++column) {
      if (!std::isfinite(image[row * s.width + column])) return false;
    }
  }
  return true;
}

template <class T>
Worst worst_of_band(const Shape& s, const T* image, const T* filter, const T* results,
                    std::int64_t row_begin, std::int64_t row_end, ReferenceBand& reference) {
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  constexpr double kDenormal = std::numeric_limits<T>::denorm_min();
  reference.compute(s, image, filter, row_begin, row_end);
  const auto taps = static_cast<double>(s.taps());
  // Finite pixels whose products do not fit T: the order of the sum decides what comes out.
  const auto is_overflow = [&](std::int64_t i, std::int64_t j, T got, double expected,
                               double magnitude) {
    return bits_of(got) != kPoisonBits<T> && !(std::isfinite(got) && std::isfinite(expected)) &&
           !(magnitude <= static_cast<double>(std::numeric_limits<T>::max())) &&
           window_is_finite(s, image, i, j);
  };
  Worst worst;
  for (std::int64_t i = row_begin; i < row_end; ++i) {
    for (std::int64_t j = 0; j < s.out_width(); ++j) {
      const T got = results[i * s.out_width() + j];
      const double expected = reference.expected(i - row_begin, j);
      const double magnitude = reference.magnitude(i - row_begin, j);
      const double bound = taps * (kEps * magnitude + kDenormal);
      const double error = bits_of(got) == kPoisonBits<T>
                               ? std::numeric_limits<double>::infinity()
                               : error_of_bound(static_cast<double>(got), expected, bound);
      if (error > worst.error_of_bound && !is_overflow(i, j, got, expected, magnitude)) {
        worst = {error, i * s.out_width() + j, expected};
      }
    }
  }
  return worst;
}

}  // namespace

template <class T>
Verification verify(const Shape& s, const T* images, const T* filters, const T* results,
                    ThreadTeam& team, const KeepGoing& keep_going, std::int64_t first_image) {
  constexpr std::int64_t kBandOutputs = 1 << 15;  // 0.5 MiB of reference a thread
  const std::int64_t band_rows =
      std::clamp<std::int64_t>(kBandOutputs / s.out_width(), 1, s.out_height());
  const std::int64_t bands = (s.out_height() + band_rows - 1) / band_rows;
  std::mutex mutex;
  Worst worst;
  std::atomic<std::int64_t> finished{0}, next{0};
  std::atomic<bool> stopped{false};
  team.run([&](int) {
    ReferenceBand reference;
    for (std::int64_t i = next++; i < s.images * bands && !stopped; i = next++) {
      const std::int64_t image = i / bands, row = i % bands * band_rows;
      Worst found = worst_of_band(s, images + image * s.pixels(), filters + image * s.taps(),
                                  results + image * s.outputs(), row,
                                  std::min(row + band_rows, s.out_height()), reference);
      found.image = image;
      const std::scoped_lock lock(mutex);
      // Of equally bad outputs the first, whichever thread comes first.
      if (std::tuple(-found.error_of_bound, image, found.output) <
          std::tuple(-worst.error_of_bound, worst.image, worst.output)) {
        worst = found;
      }
      const double done = static_cast<double>(++finished) / static_cast<double>(s.images * bands);
      if (keep_going && !keep_going(done)) stopped = true;
    }
  });
  if (stopped) return {};

  Verification result;
  result.outputs = s.images * s.outputs();
  result.max_error_of_bound = worst.error_of_bound;
  result.status =
      worst.error_of_bound <= 1 ? VerificationStatus::kPassed : VerificationStatus::kFailed;
  if (result.status == VerificationStatus::kFailed) {
    const T got = results[worst.image * s.outputs() + worst.output];
    result.failure = fmt::format(
        "image {}, output ({}, {}): got {}, expected {:.17g}", first_image + worst.image,
        worst.output / s.out_width(), worst.output % s.out_width(),
        bits_of(got) == kPoisonBits<T> ? "nothing (never written)" : fmt::format("{:.17g}", got),
        worst.expected);
  }
  return result;
}

Verification merged(const std::vector<std::optional<Verification>>& parts) {
  Verification sum;
  sum.status = VerificationStatus::kPassed;
  bool was_stopped = false;
  for (const auto& part : parts) {
    if (!part) continue;
    was_stopped = was_stopped || part->status == VerificationStatus::kSkipped;
    sum.outputs += part->outputs;
    if (part->status == VerificationStatus::kFailed &&
        (sum.status == VerificationStatus::kPassed ||
         part->max_error_of_bound > sum.max_error_of_bound)) {
      sum.status = part->status;
      sum.failure = part->failure;
    }
    sum.max_error_of_bound = std::max(sum.max_error_of_bound, part->max_error_of_bound);
  }
  return was_stopped ? Verification() : sum;
}

template Verification verify(const Shape&, const double*, const double*, const double*, ThreadTeam&,
                             const KeepGoing&, std::int64_t);
template Verification verify(const Shape&, const float*, const float*, const float*, ThreadTeam&,
                             const KeepGoing&, std::int64_t);

}  // namespace convscale
