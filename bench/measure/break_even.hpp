// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/config.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convscale {

/// What one iteration over so many images took.
struct ImagesTime {
  std::int64_t images = 0;
  double time_s = 0;
};

/// time(images) = fixed_s + per_image_s * images.
struct TimeLine {
  double fixed_s = 0;  ///< may be negative: it is a fit
  double per_image_s = 0;
};

/// The line of least squares through `points`. Null with fewer than three different numbers of
/// images.
std::optional<TimeLine> fit_line(std::span<const ImagesTime> points);

/// The least number of images, 1 or more, from which on `gpu` is below `cpu` for every number of
/// images. Null if there is none.
std::optional<std::int64_t> pays_from(const TimeLine& cpu, const TimeLine& gpu);

/// The least number of passes P over the same data for which upload_s + P * resident_s is less than
/// P * cpu_s. Null if there is none.
std::optional<std::int64_t> passes_to_pay(double upload_s, double resident_s, double cpu_s);

/// The side of one backend.
struct BreakEvenSide {
  Config config;                   ///< that of its row, with the kernel that `auto` took
  std::vector<ImagesTime> points;  ///< by images, ascending; the medians
  std::optional<TimeLine> line;
};

/// When it pays to move a workload from the CPU to the GPU. Null figures beside an empty reason
/// mean that it never does.
struct BreakEven {
  BreakEvenSide cpu;
  BreakEvenSide gpu;  ///< scope end-to-end
  std::optional<std::int64_t> images_from;
  std::string images_reason;  ///< why images_from is not known

  std::optional<double> upload_s;    ///< images and filters at the measured rate of the link
  std::optional<double> resident_s;  ///< a pass over data that lie on the GPU
  std::optional<double> cpu_s;       ///< a pass on the CPU
  std::optional<std::int64_t> passes;
  std::string passes_reason;  ///< why passes is not known
};

}  // namespace convscale
