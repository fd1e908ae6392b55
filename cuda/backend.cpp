// SPDX-License-Identifier: Apache-2.0
#include "cuda/backend.hpp"

#include "common/digest.hpp"
#include "common/error.hpp"
#include "common/kernel_table.hpp"
#include "common/limits.hpp"
#include "common/thread_team.hpp"
#include "common/topology.hpp"
#include "cuda/device.hpp"
#include "cuda/geometry.hpp"
#include "cuda/kernel_table.hpp"
#include "cuda/resources.hpp"
#include "cuda/share.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

namespace convscale {
namespace cuda {
namespace {

/// Every worker's device; workers are dealt to the devices in contiguous blocks, as images to
/// workers.
std::vector<std::unique_ptr<Share>> make_shares(const Config& config,
                                                const Assignment& assignment) {
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
    shares.push_back(std::make_unique<Share>(config, assignment,
                                             devices[static_cast<std::size_t>(i)], images,
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
  if (std::max(config.shape.dense_height(), config.shape.dense_width()) > kMaxSide) {
    throw UnsupportedError("--size: backend cuda takes images of less than 2^30 rows and columns");
  }
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(const Config& config, const Assignment& assignment)
      : config_(config),
        assignment_(assignment),
        shares_(make_shares(config, assignment)),
        helpers_(std::max(1, usable_threads(topology_.threads()) / assignment.host_parts)) {
    for (const auto& share : shares_) needs_.devices.push_back(share->need());
    facts_ = current_facts();
    needs_.images = {0, config.shape.images};
    needs_.reads_inputs = travels() || config.fill == Fill::kFile || config.filters_from_file;
    if (travels()) needs_.scratch_bytes = std::ssize(shares_) * CeilingMeter::host_bytes();
    needs_.placement = placement();
  }

  void prepare(const HostBuffers& buffers) override;
  void load() override {
    for (const auto& share : shares_) share->load();
  }
  Ceilings measure_ceilings() override;
  void poison() override;
  Ticket start(Range images) override {
    for (const auto& share : shares_) share->start(images);
    return ++started_;
  }
  void wait(Ticket ticket) override {
    for (; waited_ < ticket; ++waited_) {
      for (const auto& share : shares_) share->wait_oldest();
    }
    if (worked_at_) worked_at_ = Clock::now();
  }
  bool is_done(Ticket ticket) override {
    if (ticket <= waited_) return true;
    return std::all_of(shares_.begin(), shares_.end(), [&](const auto& share) {
      return share->is_done(static_cast<std::size_t>(ticket - waited_));
    });
  }
  Trace inspect(bool with_times) override;
  BackendFacts finish() override {
    for (const auto& share : shares_) share->collect();
    return current_facts();
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool travels() const { return config_.scope == Scope::kEndToEnd; }
  std::int64_t bytes_of(std::int64_t elements) const { return elements * size_of(config_.dtype); }
  BackendFacts current_facts() const;
  std::optional<std::string> placement() const;
  Digest digest_of_host();
  std::optional<double> measure(CeilingMeter::What what);
  void warm_up();

  const Config config_;
  const Assignment assignment_;
  const Topology topology_;
  HostBuffers host_;
  std::vector<HostRegistration> registrations_;
  std::vector<std::unique_ptr<Share>> shares_;  // before what their copies read and write goes
  std::optional<Clock::time_point> worked_at_;  // last; null before ceilings
  Ticket started_ = 0, waited_ = 0;
  ThreadTeam helpers_;  // for what is done on the host outside of the timed region
};

BackendFacts CudaBackend::current_facts() const {
  BackendFacts facts = shares_.front()->facts();
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (std::size_t i = 1; i < shares_.size(); ++i) {
    const BackendFacts other = shares_[i]->facts();
    if (facts.path.empty()) facts.path = other.path;
    *facts.device += ", " + *other.device;
    append(facts.devices, other.devices);
    append(facts.warnings, other.warnings);
    facts.last_cache_bytes += other.last_cache_bytes;
    facts.transfer.up_bytes += other.transfer.up_bytes;
    facts.transfer.down_bytes += other.transfer.down_bytes;
  }
  return facts;
}

/// Pages near the device that images are for. Memory can be registered once only.
std::optional<std::string> CudaBackend::placement() const {
  const bool is_registered = travels() && config_.host_memory == HostMemory::kPinned;
  if (is_registered && config_.interleaved) return std::nullopt;
  std::string text;
  for (const auto& share : shares_) {
    const auto node = share->numa_node();
    if (node && topology_.numa_nodes() > 1)
      text += fmt::format(" {}..{} on {}", share->images().begin, share->images().end, *node);
  }
  return text.empty() ? text : "devices" + text;
}

void CudaBackend::prepare(const HostBuffers& buffers) {
  host_ = buffers;
  const Shape& s = config_.shape;
  const auto place = [&](std::byte* data, std::int64_t bytes_of_image) {
    if (data == nullptr) return;
    for (const auto& share : shares_) {
      const auto [first, last] = share->images();
      if (const auto node = share->numa_node())
        topology_.bind_memory(data + first * bytes_of_image, (last - first) * bytes_of_image,
                              *node);
    }
    if (!travels()) return;
    const std::int64_t page = page_bytes(), bytes = s.images * bytes_of_image;
    helpers_.for_each_block(
        divided_up(bytes, page), [&](int, std::int64_t begin, std::int64_t end) {
          for (std::int64_t p = begin; p < end; ++p) {
            auto* const byte = static_cast<volatile std::byte*>(data + p * page);
            *byte = *byte;  // data of an earlier configuration stay
          }
        });
    if (config_.host_memory == HostMemory::kPinned) registrations_.emplace_back(data, bytes);
  };
  place(buffers.images, bytes_of(s.pixels()));
  place(buffers.filters, bytes_of(s.taps()));
  place(buffers.results, bytes_of(s.outputs()));
  for (const auto& share : shares_) share->prepare(buffers);
}

/// All devices at the same time, so that a link that they share is found out; null if none could.
std::optional<double> CudaBackend::measure(CeilingMeter::What what) {
  std::optional<double> sum;
  for (const auto& share : shares_) share->queue_ceiling(what);
  for (const auto& share : shares_) {
    if (const auto rate = share->finish_ceiling()) sum = sum.value_or(0) + *rate;
  }
  return sum;
}

constexpr double kWarmS = 0.1;
constexpr auto kUntilItCools = std::chrono::seconds(1);

/// An idle device lowers its clocks: in the setup, and while rows that it takes turns with run.
void CudaBackend::warm_up() {
  if (worked_at_ && Clock::now() - *worked_at_ < kUntilItCools) return;
  constexpr int kMostRounds = 1000;  // each is a millisecond or more, unless events tell no time
  std::vector<double> before;
  for (const auto& share : shares_) before.push_back(share->ceilings_s());
  const auto is_any_cold = [&] {
    for (std::size_t i = 0; i < shares_.size(); ++i) {
      if (shares_[i]->images().size() > 0 && shares_[i]->ceilings_s() - before[i] < kWarmS)
        return true;
    }
    return false;
  };
  for (int round = 0; round < kMostRounds && !assignment_.stop() && is_any_cold(); ++round) {
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

Trace CudaBackend::inspect(bool with_times) {
  for (const auto& share : shares_) share->sample_clocks();
  Trace trace;
  for (const auto& share : shares_) trace += share->inspect(with_times);
  if (travels()) trace.digest = digest_of_host();
  return trace;
}

Digest CudaBackend::digest_of_host() {
  std::vector<Digest> parts(static_cast<std::size_t>(helpers_.size()));
  const std::int64_t outputs = config_.shape.outputs();
  dispatch(config_.dtype, [&]<class T>() {
    const T* results = reinterpret_cast<const T*>(host_.results);
    helpers_.for_each_block(
        config_.shape.images * outputs, [&](int worker, std::int64_t begin, std::int64_t end) {
          parts[static_cast<std::size_t>(worker)] =
              digest_of(std::span<const T>(results + begin, results + end),
                        static_cast<std::uint64_t>(assignment_.first_image * outputs + begin));
        });
  });
  Digest sum;
  for (const Digest& part : parts) sum += part;
  return sum;
}

}  // namespace
}  // namespace cuda

BackendEntry cuda_backend() {
  return {
      .name = "cuda",
      .kernels = [] { return list_kernels(cuda::kernels(), cuda::why_no_device()); },
      .devices = cuda::list_devices,
      .device_count = cuda::device_count,
      .create = [](const Config& config, const Assignment& assignment) -> std::unique_ptr<Backend> {
        cuda::require_possible(config);
        return std::make_unique<cuda::CudaBackend>(config, assignment);
      }};
}

}  // namespace convscale
