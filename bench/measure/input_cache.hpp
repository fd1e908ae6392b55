// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/workload.hpp"
#include "common/buffer.hpp"
#include "common/config.hpp"

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
  explicit Inputs(Config config) : config_(std::move(config)) {}

  /// Bytes that `allocate` will take; 0 once it has.
  std::int64_t bytes_to_take() const;
  /// Throws ResourceError. Nothing if that is done.
  void allocate();
  bool is_filled() const { return filled_; }
  /// Writes the data; `keep_going` as for Workload::fill, and once it says no, they are not filled.
  void fill(const Workload& workload, ThreadTeam& helpers,
            const std::function<bool(double done)>& keep_going);

  const PageBuffer& images() const { return images_; }    ///< (images, height, width)
  const PageBuffer& filters() const { return filters_; }  ///< (images, K, K)

 private:
  Config config_;
  PageBuffer images_, filters_;
  bool allocated_ = false, filled_ = false;
};

/// Hands out inputs, so that configurations with the same data share them: where one follows the
/// other, and where several are in use at the same time. All are of one run, with the same files.
class InputCache {
 public:
  /// The inputs of `config`, whose pages have to lie as `placement` says (Backend::placement):
  /// those of an earlier configuration, or new ones. What no configuration uses is given up first.
  std::shared_ptr<Inputs> share(const Config& config, const std::optional<std::string>& placement);

 private:
  struct Kept {
    Config config;
    std::string placement;
    std::shared_ptr<Inputs> inputs;
  };
  std::vector<Kept> kept_;
};

}  // namespace convscale
