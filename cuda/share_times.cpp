// SPDX-License-Identifier: Apache-2.0
// What a share measures: its device's ceilings, which copies are faster, how long its work took;
// and what it says of itself.
#include "common/summary.hpp"
#include "cuda/data.hpp"
#include "cuda/intervals.hpp"
#include "cuda/share.hpp"
#include "cuda/transfer.hpp"

#include <algorithm>
#include <iterator>

namespace convscale::cuda {
namespace {

/// Kernels are timed as the slope between few batches and more, so that what a launch and an event
/// take once is not in it: so many more as take this long, 0.1 percent of which are 2 us.
constexpr double kSlopeSeconds = 2e-3;
constexpr std::int64_t kFewBatches = 2;
/// Of all streams; what is not queued when the device comes to it is timed with the host's delay.
constexpr std::int64_t kMostLaunches = 256;

/// Of one of the `more` batches by which `many_s` is longer than `few_s`. Where noise or a clock of
/// coarse steps leaves nothing of that, the mean over all.
double slope(double few_s, double many_s, std::int64_t few, std::int64_t more) {
  const double slope_s = (many_s - few_s) / static_cast<double>(std::max<std::int64_t>(1, more));
  return slope_s > 0 ? slope_s : many_s / static_cast<double>(few + more);
}

double longest(const std::vector<double>& times_s) {
  return *std::max_element(times_s.begin(), times_s.end());
}

}  // namespace

BackendFacts Share::facts() const {
  BackendFacts facts;
  facts.kernel = kernel_.name;
  facts.line_bytes = 32;  // a sector
  facts.quantised = false;
  if (const Plan* plan = workers_.front().plan.get()) {
    facts.path = plan->path();
    facts.direct = plan->direct();
  }
  if (sends_needless_rows_) {
    if (!facts.path.empty()) facts.path += ", ";
    facts.path += "all rows are sent";
  }
  DeviceInfo& device = facts.devices.emplace_back(info_);
  facts.device = device.name;
  if (monitor_) {
    monitor_->describe(device);
    facts.warnings = monitor_->slowdowns();
  }
  if (resident()) return facts;  // whose kernels find nothing in the cache, however small the data
  facts.last_cache_bytes = limits_.l2_bytes;
  Shape ours = config_.shape;
  ours.images = count();
  const std::int64_t element = size_of(config_.dtype);
  // What the method needs, which is the same for all kernels.
  const bool all_rows = all_rows_travel(config_.shape, config_.method, config_.dtype);
  facts.transfer.up_bytes =
      upload_bytes(ours, config_.dtype, all_rows) + count() * ours.taps() * element;
  facts.transfer.down_bytes = count() * ours.outputs() * element;
  return facts;
}

void Share::queue_ceiling(CeilingMeter::What what) {
  if (!meter_) return;
  select();
  meter_->queue(what);
}

std::optional<double> Share::finish_ceiling() {
  if (!meter_) return std::nullopt;
  select();
  const std::optional<double> rate = meter_->finish();
  ceilings_s_ += meter_->seconds();
  return rate;
}

/// Rows that no output needs stay behind only where that is the faster way: a copy with a pitch may
/// be slower by more than it leaves out, from pageable memory above all.
void Share::choose_rows() {
  if (all_rows_) return;
  constexpr int kTries = 3;
  const Worker& worker = workers_.front();
  const std::int64_t images = std::min(count(), chunk_images_);
  const Place place = place_of(worker, images_.begin);
  const std::int64_t image_bytes = config_.shape.pixels() * size_of(config_.dtype);
  const Event begin, end;
  std::vector<double> of_all, of_needed;
  for (int i = 0; i < kTries; ++i) {
    for (const bool all : {false, true}) {
      begin.record(worker.stream);
      upload_images(config_.shape, config_.dtype, all, images, place.d_images,
                    host_.images + images_.begin * image_bytes, worker.stream.get());
      end.record(worker.stream);
      end.synchronize();
      (all ? of_all : of_needed).push_back(seconds_between(begin, end));
    }
  }
  all_rows_ = sends_needless_rows_ = median_of(of_all) < median_of(of_needed);
}

/// Runs all kernels `batches` times. For each stream: seconds from the begin of the first until its
/// last was done.
std::vector<double> Share::time_batches(std::int64_t batches) {
  // A gate: nothing begins before all is queued, and the cache then holds nothing of the workload.
  meter_->queue(CeilingMeter::What::kRead);
  for (const Worker& worker : workers_)
    CONVSCALE_CUDA(cudaStreamWaitEvent(worker.stream.get(), meter_->end().get(), 0));
  const auto streams = static_cast<std::int64_t>(workers_.size());
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    const std::size_t copy = static_cast<std::size_t>(batch) % (copies_.size() + 1);
    for (std::int64_t w = 0; w < streams; ++w) {
      const Worker& worker = workers_[static_cast<std::size_t>(w)];
      const Range block = block_of(count(), streams, w);
      if (block.size() > 0)
        queue_kernel(worker, place_of(worker, images_.begin + block.begin, copy), block.size());
    }
  }
  for (const Worker& worker : workers_) worker.chunks.front().computed.record(worker.stream);
  synchronize();
  meter_->finish();
  std::vector<double> seconds;
  for (const Worker& worker : workers_)
    seconds.push_back(seconds_between(meter_->end(), worker.chunks.front().computed));
  return seconds;
}

/// In the timed iteration each stream waits for the host's next launch, which for kernels of some
/// 50 us is a good part; and an event takes some 2 us. So kernels are timed as the slope over
/// batches that are queued one behind the other, on data that no batch finds in the cache.
void Share::time_kernels(Trace& trace) {
  const std::vector<double> few = time_batches(kFewBatches);
  const double of_batch = longest(few) / kFewBatches;
  std::int64_t more = 0;
  std::vector<double> many = few;
  if (of_batch < kSlopeSeconds) {  // else what is taken once is as little of the few
    const std::int64_t most = std::clamp<std::int64_t>(kMostLaunches / std::ssize(workers_), 1,
                                                       kMostBatches - kFewBatches);
    more = static_cast<std::int64_t>(
        std::clamp(kSlopeSeconds / std::max(of_batch, 1e-9), 1.0, static_cast<double>(most)));
    many = time_batches(kFewBatches + more);
  }
  const auto of_one = [&](double few_s, double many_s) {
    return slope(few_s, many_s, kFewBatches, more);
  };
  std::transform(few.begin(), few.end(), many.begin(), trace.busy_s.begin(), of_one);
  trace.phases->kernel_s = of_one(longest(few), longest(many));
}

Trace Share::inspect(bool with_times) {
  select();
  Trace trace{.phases = Phases{}, .busy_s = std::vector<double>(workers_.size())};
  if (resident()) {
    const std::int64_t outputs = config_.shape.outputs();
    trace.digest = digest_on_device(
        config_.dtype, d_results_.data(), count() * outputs,
        static_cast<std::uint64_t>((assignment_.first_image + images_.begin) * outputs),
        workers_.front().stream.get());
    if (with_times && count() > 0 && !assignment_.stop()) time_kernels(trace);
    return trace;
  }
  std::vector<Interval> uploads, kernels, downloads;
  const auto at = [&](const Event& event) { return seconds_between(*origin_, event); };
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    for (std::size_t i = 0; i < workers_[w].used; ++i) {
      const Chunk& chunk = workers_[w].chunks[i];
      const double uploaded = at(chunk.uploaded), computed = at(chunk.computed);
      uploads.emplace_back(at(chunk.begin), uploaded);
      kernels.emplace_back(uploaded, computed);
      downloads.emplace_back(computed, at(chunk.downloaded));
      trace.busy_s[w] += seconds_between(chunk.begin, chunk.downloaded);
    }
  }
  trace.phases = {length_of_union(uploads), length_of_union(kernels), length_of_union(downloads)};
  return trace;
}

}  // namespace convscale::cuda
