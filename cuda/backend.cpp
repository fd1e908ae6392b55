// SPDX-License-Identifier: Apache-2.0
#include "cuda/backend.hpp"

#include "common/digest.hpp"
#include "common/error.hpp"
#include "common/limits.hpp"
#include "common/thread_team.hpp"
#include "common/topology.hpp"
#include "cuda/device.hpp"
#include "cuda/geometry.hpp"
#include "cuda/kernel_table.hpp"
#include "cuda/monitor.hpp"
#include "cuda/resources.hpp"
#include "cuda/share.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace convscale {
namespace cuda {
namespace {

/// Every worker's device; workers are dealt to the devices in contiguous blocks, as images to
/// workers.
std::vector<std::unique_ptr<Share>> make_shares(const Config& config) {
  const std::vector<int> devices = choose_devices(config.devices);
  const auto count = static_cast<std::int64_t>(devices.size());
  if (config.num_workers < count) {
    throw UnsupportedError(
        fmt::format("--num_workers {}: {} devices need a stream each; --num_workers {} would do",
                    config.num_workers, count, count));
  }
  std::vector<std::unique_ptr<Share>> shares;
  for (std::int64_t i = 0; i < count; ++i) {
    const Range workers = block_of(config.num_workers, count, i);
    const Range images{block_of(config.shape.images, config.num_workers, workers.begin).begin,
                       block_of(config.shape.images, config.num_workers, workers.end - 1).end};
    shares.push_back(std::make_unique<Share>(config, devices[static_cast<std::size_t>(i)], images,
                                             static_cast<int>(workers.size())));
  }
  return shares;
}

void require_possible(const Config& config) {
  if (config.schedule != Schedule::kStatic) {
    throw UnsupportedError(
        fmt::format("--schedule {}: backend cuda deals whole images to its "
                    "streams beforehand; --schedule static would do",
                    name_of(config.schedule)));
  }
  if (config.work_time_s) {
    throw UnsupportedError(
        "--work_time: backend cuda runs a batch of images at once, which has no time of its own "
        "for each; --backend cpu would do");
  }
  if (std::max(config.shape.full_height(), config.shape.full_width()) > kMaxSide) {
    throw UnsupportedError("--size: backend cuda takes images of less than 2^30 rows and columns");
  }
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const Config& config)
      : config_(config),
        shares_(make_shares(config)),
        helpers_(std::max(1, usable_threads(topology_.threads()) / config.host_parts)) {
    for (const auto& share : shares_) {
      const DeviceInfo& device = share->device();
      monitors_.push_back(Monitor::open(device.index, device.pci_bus_id));
      if (monitors_.back()) monitors_.back()->begin();
    }
  }

  BackendFacts facts() const override;
  std::int64_t scratch_bytes() const override {
    if (!travels()) return 0;
    return static_cast<std::int64_t>(shares_.size()) * CeilingMeter::host_bytes();
  }
  bool reads_inputs() const override {
    return travels() || config_.fill == Fill::kFile || config_.filters_from_file;
  }
  std::optional<std::string> placement() const override;
  std::vector<DeviceNeed> device_needs() const override {
    std::vector<DeviceNeed> needs;
    for (const auto& share : shares_) needs.push_back(share->need());
    return needs;
  }
  void stop_when(std::function<bool()> stop) override { stop_ = std::move(stop); }
  void prepare(const HostBuffers& buffers) override;
  void load() override {
    for (const auto& share : shares_) share->load();
  }
  Ceilings measure_ceilings() override;
  void poison() override;
  void start(Range range) override {
    for (const auto& share : shares_) share->start(range, stop_);
    under_way_.push_back(range);
  }
  void wait(Range range) override;
  bool is_done(Range range) override;
  Digest digest() override;
  void collect() override {
    for (const auto& share : shares_) share->collect();
  }
  std::optional<Phases> phases() override;
  std::vector<double> busy_s() const override;

 private:
  bool travels() const { return config_.scope == Scope::kEndToEnd; }
  std::int64_t bytes_of(std::int64_t elements) const { return elements * size_of(config_.dtype); }
  std::optional<double> measure(CeilingMeter::What what);
  void warm_up();

  const Config config_;
  const Topology topology_;
  HostBuffers host_;
  HostRegistration images_registration_, filters_registration_, results_registration_;
  std::vector<std::unique_ptr<Share>> shares_;    // before what their copies read and write goes
  std::vector<std::optional<Monitor>> monitors_;  // of each share; null without NVML
  std::function<bool()> stop_ = [] { return false; };
  std::optional<std::chrono::steady_clock::time_point> worked_at_;  // last; null before ceilings
  std::deque<Range> under_way_;
  ThreadTeam helpers_;  // for what is done on the host outside of the timed region
};

BackendFacts CudaBackend::facts() const {
  BackendFacts facts;
  facts.kernel = shares_.front()->kernel().name;
  facts.line_bytes = 32;  // a sector
  facts.direct = shares_.front()->kernel().direct;
  facts.quantised = false;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    const Share& share = *shares_[i];
    DeviceInfo device = share.device();
    if (const auto& monitor = monitors_[i]) {
      monitor->describe(device);
      const std::vector<std::string> slowdowns = monitor->slowdowns();
      facts.warnings.insert(facts.warnings.end(), slowdowns.begin(), slowdowns.end());
    }
    facts.devices.push_back(std::move(device));
    names.push_back(share.device().name);
    if (facts.path.empty()) facts.path = share.path();
    // Kernels of scope resident find nothing in the cache, however small the workload.
    if (travels()) facts.last_cache_bytes += share.limits().l2_bytes;
    facts.transfer.up_bytes += share.transfer().up_bytes;
    facts.transfer.down_bytes += share.transfer().down_bytes;
  }
  facts.device = fmt::format("{}", fmt::join(names, ", "));
  return facts;
}

/// Pages near the device that images are for. Memory can be registered once only.
std::optional<std::string> CudaBackend::placement() const {
  const bool is_registered = travels() && config_.host_memory == HostMemory::kPinned;
  if (is_registered && config_.interleaved) return std::nullopt;
  std::string text;
  for (const auto& share : shares_) {
    const auto node = share->device().numa_node;
    if (node && topology_.numa_nodes() > 1)
      text += fmt::format(" {}..{} on {}", share->images().begin, share->images().end, *node);
  }
  return text.empty() ? text : "devices" + text;
}

void CudaBackend::prepare(const HostBuffers& buffers) {
  host_ = buffers;
  const Shape& s = config_.shape;
  const auto place = [&](std::byte* data, std::int64_t bytes_of_image) {
    if (data == nullptr) return HostRegistration();
    for (const auto& share : shares_) {
      const auto [first, last] = share->images();
      if (share->device().numa_node) {
        topology_.bind_memory(data + first * bytes_of_image, (last - first) * bytes_of_image,
                              *share->device().numa_node);
      }
    }
    if (!travels()) return HostRegistration();
    const std::int64_t page = page_bytes(), bytes = s.images * bytes_of_image;
    helpers_.for_each_block(
        divided_up(bytes, page), [&](int, std::int64_t begin, std::int64_t end) {
          for (std::int64_t p = begin; p < end; ++p) {
            auto* const byte = static_cast<volatile std::byte*>(data + p * page);
            *byte = *byte;  // data of an earlier configuration stay
          }
        });
    return config_.host_memory == HostMemory::kPinned ? HostRegistration(data, bytes)
                                                      : HostRegistration();
  };
  images_registration_ = place(buffers.images, bytes_of(s.pixels()));
  filters_registration_ = place(buffers.filters, bytes_of(s.taps()));
  results_registration_ = place(buffers.results, bytes_of(s.outputs()));
  for (const auto& share : shares_) share->prepare(buffers);
}

/// A device without images adds nothing to what is possible.
bool has_work(const Share& share) { return share.images().begin < share.images().end; }

/// All devices at the same time, so that a link that they share is found out; null if none could.
std::optional<double> CudaBackend::measure(CeilingMeter::What what) {
  std::optional<double> sum;
  for (const auto& share : shares_) {
    if (has_work(*share)) share->queue_ceiling(what);
  }
  for (const auto& share : shares_) {
    if (!has_work(*share)) continue;
    if (const auto rate = share->finish_ceiling()) sum = sum.value_or(0) + *rate;
  }
  return sum;
}

using Clock = std::chrono::steady_clock;
constexpr double kWarmS = 0.1;
constexpr auto kUntilItCools = std::chrono::seconds(1);

/// An idle device lowers its clocks: in the setup, and while rows that it takes turns with run.
void CudaBackend::warm_up() {
  if (worked_at_ && Clock::now() - *worked_at_ < kUntilItCools) return;
  constexpr int kMostRounds = 1000;  // each is a millisecond or more, unless events tell no time
  std::vector<double> before;
  for (const auto& share : shares_) before.push_back(share->ceilings_s());
  const auto is_cold = [&](std::size_t i) {
    return has_work(*shares_[i]) && shares_[i]->ceilings_s() - before[i] < kWarmS;
  };
  for (int round = 0; round < kMostRounds && !stop_(); ++round) {
    bool any = false;
    for (std::size_t i = 0; i < shares_.size(); ++i) any = any || is_cold(i);
    if (!any) break;
    measure(CeilingMeter::What::kRead);
    measure(CeilingMeter::What::kFma);
  }
  worked_at_ = Clock::now();
}

Ceilings CudaBackend::measure_ceilings() {
  using What = CeilingMeter::What;
  warm_up();
  return {.read_bytes_per_s = measure(What::kRead),
          .copy_bytes_per_s = measure(What::kCopy),
          .peak_flops_per_s = measure(What::kFma),
          .up_bytes_per_s = measure(What::kUp),
          .down_bytes_per_s = measure(What::kDown),
          .duplex_bytes_per_s = measure(What::kBothWays)};
}

void CudaBackend::poison() {
  if (worked_at_) warm_up();  // ceilings are not measured before each iteration
  for (const auto& share : shares_) share->poison();
  if (!travels()) return;
  dispatch(config_.dtype, [&]<class T>() {
    T* results = reinterpret_cast<T*>(host_.results);
    helpers_.for_each_block(config_.shape.images * config_.shape.outputs(),
                            [&](int, std::int64_t begin, std::int64_t end) {
                              std::fill(results + begin, results + end, poison_value<T>());
                            });
  });
}

void CudaBackend::wait(Range range) {
  if (std::find(under_way_.begin(), under_way_.end(), range) == under_way_.end()) return;
  while (!under_way_.empty()) {
    const Range oldest = under_way_.front();
    under_way_.pop_front();
    for (const auto& share : shares_) share->wait_oldest();
    if (worked_at_) worked_at_ = Clock::now();
    if (oldest == range) return;
  }
}

bool CudaBackend::is_done(Range range) {
  const auto job = std::find(under_way_.begin(), under_way_.end(), range);
  if (job == under_way_.end()) return true;
  const auto index = static_cast<std::size_t>(job - under_way_.begin());
  return std::all_of(shares_.begin(), shares_.end(),
                     [&](const auto& share) { return share->is_done(index); });
}

Digest CudaBackend::digest() {
  for (auto& monitor : monitors_) {
    if (monitor) monitor->sample();  // right behind an iteration
  }
  Digest sum;
  if (!travels()) {
    for (const auto& share : shares_) sum += share->digest();
    return sum;
  }
  std::vector<Digest> parts(static_cast<std::size_t>(helpers_.size()));
  const std::int64_t outputs = config_.shape.outputs();
  dispatch(config_.dtype, [&]<class T>() {
    const T* results = reinterpret_cast<const T*>(host_.results);
    helpers_.for_each_block(
        config_.shape.images * outputs, [&](int worker, std::int64_t begin, std::int64_t end) {
          parts[static_cast<std::size_t>(worker)] =
              digest_of(std::span<const T>(results + begin, results + end),
                        static_cast<std::uint64_t>(config_.first_image * outputs + begin));
        });
  });
  for (const Digest& part : parts) sum += part;
  return sum;
}

/// Of several devices, whose clocks cannot be compared, the longest.
std::optional<Phases> CudaBackend::phases() {
  Phases longest;
  for (const auto& share : shares_) {
    const Phases phases = share->phases();
    longest.upload_s = std::max(longest.upload_s, phases.upload_s);
    longest.kernel_s = std::max(longest.kernel_s, phases.kernel_s);
    longest.download_s = std::max(longest.download_s, phases.download_s);
  }
  return longest;
}

std::vector<double> CudaBackend::busy_s() const {
  std::vector<double> busy;
  for (const auto& share : shares_) {
    const std::vector<double> of_share = share->busy_s();
    busy.insert(busy.end(), of_share.begin(), of_share.end());
  }
  return busy;
}

std::vector<Listing> list_kernels() {
  const std::string no_device = why_no_device();
  std::vector<Listing> listings;
  for (const Kernel* kernel : kernels()) {
    const std::string missing = kernel->missing == nullptr ? "" : kernel->missing();
    std::string description = kernel->description;
    if (kernel->uses != nullptr && missing.empty())
      description += fmt::format(": {}", kernel->uses());
    listings.push_back(
        {kernel->name, std::move(description), missing.empty() ? no_device : missing});
  }
  return listings;
}

}  // namespace
}  // namespace cuda

BackendEntry cuda_backend() {
  return {.name = "cuda",
          .kernels = cuda::list_kernels,
          .devices = cuda::list_devices,
          .device_count = cuda::device_count,
          .create = [](const Config& config) -> std::unique_ptr<Backend> {
            cuda::require_possible(config);
            return std::make_unique<cuda::CudaBackend>(config);
          }};
}

}  // namespace convscale
