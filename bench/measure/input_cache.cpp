// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/input_cache.hpp"

#include <algorithm>
#include <atomic>

namespace convscale {
namespace {

std::int64_t image_bytes(const Config& c) {
  return c.shape.images * c.shape.pixels() * size_of(c.dtype);
}

std::int64_t filter_bytes(const Config& c) {
  return c.shape.images * c.shape.taps() * size_of(c.dtype);
}

/// The stride is no part of the data.
bool have_same_data(const Config& a, const Config& b) {
  const Shape &s = a.shape, &t = b.shape;
  return s.images == t.images && s.height == t.height && s.width == t.width &&
         s.filter_size == t.filter_size && a.dtype == b.dtype && a.fill == b.fill &&
         a.seed == b.seed && a.first_image == b.first_image &&
         a.filters_from_file == b.filters_from_file;
}

}  // namespace

std::int64_t Inputs::bytes_to_take() const {
  return allocated_ ? 0 : image_bytes(config_) + filter_bytes(config_);
}

void Inputs::allocate() {
  if (allocated_) return;
  images_ = PageBuffer(image_bytes(config_), "images");
  filters_ = PageBuffer(filter_bytes(config_), "filters");
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
    workload.fill(images_.as<T>().data(), filters_.as<T>().data(), helpers, config_.first_image,
                  go_on);
  });
  filled_ = whole;
}

std::shared_ptr<Inputs> InputCache::share(const Config& config,
                                          const std::optional<std::string>& placement) {
  const auto fits = [&](const Kept& kept) {
    return placement == kept.placement && have_same_data(config, kept.config);
  };
  std::erase_if(kept_,
                [&](const Kept& kept) { return kept.inputs.use_count() == 1 && !fits(kept); });
  const auto known = std::find_if(kept_.begin(), kept_.end(), fits);
  if (known != kept_.end()) return known->inputs;
  auto inputs = std::make_shared<Inputs>(config);
  if (placement) kept_.push_back({config, *placement, inputs});
  return inputs;
}

}  // namespace convscale
