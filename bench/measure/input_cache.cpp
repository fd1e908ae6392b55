// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/input_cache.hpp"

#include <algorithm>
#include <atomic>

namespace convscale {
namespace {

/// The stride is no part of the data.
bool have_same_data(const Config& a, const Config& b) {
  Shape shape = b.shape;
  shape.stride = a.shape.stride;
  return a.shape == shape && a.dtype == b.dtype && a.fill == b.fill && a.seed == b.seed &&
         a.filters_from_file == b.filters_from_file;
}

}  // namespace

void Inputs::allocate() {
  if (allocated_ || range_.size() == 0) return;
  images_ = PageBuffer(bytes_of(config_.shape.pixels()), "images");
  filters_ = PageBuffer(bytes_of(config_.shape.taps()), "filters");
  allocated_ = true;
}

void Inputs::fill(const Workload& workload, ThreadTeam& helpers,
                  const std::function<bool(double done)>& keep_going) {
  std::atomic<bool> whole{true};  // helpers ask, too
  const auto go_on = [&](double done) {
    if (!keep_going(done)) whole = false;
    return whole.load();
  };
  dispatch(config_.dtype, [&]<class T>() {
    workload.fill(images_.as<T>().data(), filters_.as<T>().data(), helpers, range_.begin, go_on);
  });
  filled_ = whole;
}

std::shared_ptr<Inputs> InputCache::share(const Config& config, Range images,
                                          const std::optional<std::string>& placement) {
  const auto fits = [&](const Kept& kept) {
    return placement == kept.placement && images == kept.images &&
           have_same_data(config, kept.config);
  };
  std::erase_if(kept_,
                [&](const Kept& kept) { return kept.inputs.use_count() == 1 && !fits(kept); });
  const auto known = std::find_if(kept_.begin(), kept_.end(), fits);
  if (known != kept_.end()) return known->inputs;
  auto inputs = std::make_shared<Inputs>(config, images);
  if (placement) kept_.push_back({config, images, *placement, inputs});
  return inputs;
}

}  // namespace convscale
