// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/workload.hpp"
#include "common/buffer.hpp"
#include "common/config.hpp"
#include "common/range.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale {

class ThreadTeam;

/// Images and filters of one workload in host memory, which several configurations may use.
class Inputs {
 public:
  /// Of images `images`, counted over all ranks; none where nobody reads them.
  Inputs(Config config, Range images) : config_(std::move(config)), range_(images) {}

  /// Bytes that `allocate` will take; 0 once it has.
  std::int64_t bytes_to_take() const {
    return allocated_ ? 0 : bytes_of(config_.shape.pixels() + config_.shape.taps());
  }
  /// Throws ResourceError. Nothing if that is done.
  void allocate();
  bool is_filled() const { return filled_ || range_.size() == 0; }
  /// Writes the data; `keep_going` as for Workload::fill, and once it says no, they are not filled.
  void fill(const Workload& workload, ThreadTeam& helpers,
            const std::function<bool(double done)>& keep_going);

  const PageBuffer& images() const { return images_; }    ///< (images, height, width)
  const PageBuffer& filters() const { return filters_; }  ///< (images, K, K)

 private:
  std::int64_t bytes_of(std::int64_t elements) const {
    return range_.size() * elements * size_of(config_.dtype);
  }

  Config config_;
  Range range_;
  PageBuffer images_, filters_;
  bool allocated_ = false, filled_ = false;
};

/// Hands out inputs, so that configurations with the same data share them: where one follows the
/// other, and where several are in use at the same time. All are of one run, with the same files.
class InputCache {
 public:
  /// The inputs of `config` that are `images`, counted over all ranks, whose pages have to lie as
  /// `placement` says (BackendNeeds::placement): those of an earlier configuration, or new ones.
  /// What no configuration uses is given up first.
  std::shared_ptr<Inputs> share(const Config& config, Range images,
                                const std::optional<std::string>& placement);

 private:
  struct Kept {
    Config config;
    Range images;
    std::string placement;
    std::shared_ptr<Inputs> inputs;
  };
  std::vector<Kept> kept_;
};

}  // namespace convscale
