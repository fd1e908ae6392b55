// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/cluster_backend.hpp"

#include "bench/measure/gather.hpp"
#include "bench/ranks/partition.hpp"
#include "bench/ranks/scatter_gather.hpp"
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>

namespace convscale {

// What ranks tell each other; of a device, enough to know it again.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DeviceInfo, pci_bus_id)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Transfer, up_bytes, down_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BackendFacts, kernel, path, cpus, device, devices,
                                   last_cache_bytes, transfer, warnings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Phases, upload_s, kernel_s, download_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Digest, value, unwritten)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Trace, digest, phases, busy_s)

static void to_json(nlohmann::json& json, const Ceilings& ceilings) {
  json = nlohmann::json::array();
  for (const auto ceiling : kCeilings) json.push_back(ceilings.*ceiling);
}
static void from_json(const nlohmann::json& json, Ceilings& ceilings) {
  for (std::size_t i = 0; i < kCeilings.size(); ++i) json[i].get_to(ceilings.*kCeilings[i]);
}

namespace {

/// Nothing, where a rank has no images.
using FactsOfRanks = std::vector<std::optional<BackendFacts>>;

/// A rank's part in an iteration.
struct Part {
  Trace trace;
  std::optional<double> run_s;
  double barrier_s = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Part, trace, run_s, barrier_s)
};

class ClusterBackend final : public Backend {
 public:
  ClusterBackend(const Config& config, const Assignment& assignment, const BackendEntry& entry,
                 Ranks& ranks)
      : config_(config),
        assignment_(assignment),
        ranks_(ranks),
        parts_(deal_parts(config.shape.images, config.num_workers, ranks.size())),
        scatters_(config.distribute == Distribute::kScatter),
        scatter_gather_(ranks, config, parts_) {
    // The other ranks on this host start theirs at the same time. On a device they are streams.
    const std::int64_t threads = ranks.sum_on_host(entry.device_count ? 0 : mine().num_workers);
    const FactsOfRanks of_ranks = gather(ranks, [&]() -> std::optional<BackendFacts> {
      check_threads(threads);
      if (has_images(ranks.rank())) local_ = make_local(entry);
      if (scatters_ && config.scope == Scope::kResident) {
        throw UnsupportedError(
            "--scope resident: what is shipped with every iteration does not stay on a device; "
            "--distribute local would do");
      }
      return local_ ? std::optional(local_->facts()) : std::nullopt;
    });
    facts_ = merged(local_ ? local_->facts() : BackendFacts(), of_ranks);
    if (local_) needs_ = local_->needs();
    const bool has_all = scatters_ && ranks.is_root();
    needs_.images = has_all ? Range{0, config.shape.images} : mine().images;
    needs_.is_source = has_all || !scatters_;
    needs_.reads_inputs = scatters_ || !local_ || needs_.reads_inputs;
    if (!local_) needs_.placement = "";
    if (needs_.placement) needs_.placement = "part " + *needs_.placement;
  }

  void prepare(const HostBuffers& buffers) override {
    buffers_ = buffers;
    agree([&] { local_->prepare(buffers); });  // rank 0's part is the first
    scatter_gather_.prepare(buffers, local_.get());
  }
  void load() override {
    agree([&] { local_->load(); });
  }
  Ceilings measure_ceilings() override;
  void poison() override;
  Ticket start(Range images) override;
  void wait(Ticket ticket) override;
  Trace inspect(bool with_times) override;
  BackendFacts finish() override {
    BackendFacts own;
    const FactsOfRanks of_ranks = gather(ranks_, [&]() -> std::optional<BackendFacts> {
      if (!local_) return std::nullopt;
      return own = local_->finish();
    });
    return merged(own, of_ranks);
  }

 private:
  bool has_images(int rank) const {
    return parts_[static_cast<std::size_t>(rank)].images.size() > 0;
  }
  bool is_first_on_host(int rank) const {
    int first = 0;  // of those with images
    while (!ranks_.are_on_one_host(first, rank) || !has_images(first)) ++first;
    return first == rank;
  }
  const RankPart& mine() const { return parts_[static_cast<std::size_t>(ranks_.rank())]; }
  /// Keeps what `step`, on a rank that has images, throws, so that no other rank waits for ever.
  template <class Step>
  void attempt(Step&& step) {
    try {
      if (local_ && !error_) step();
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  std::unique_ptr<Backend> make_local(const BackendEntry& entry) const;
  BackendFacts merged(BackendFacts sum, const FactsOfRanks& of_ranks) const;
  /// `step` on every rank that has images.
  void agree(const std::function<void()>& step) const {
    ranks_.agree([&] {
      if (local_) step();
    });
  }
  /// On rank 0, which holds all results, those of the others.
  template <class T>
  std::span<T> others_results() const;
  void wipe_inputs() const;
  Trace inspect_here(bool with_times);

  const Config config_;
  const Assignment assignment_;
  Ranks& ranks_;
  const std::vector<RankPart> parts_;
  const bool scatters_;
  HostBuffers buffers_;
  ScatterGather scatter_gather_;
  std::unique_ptr<Backend> local_;  // null where this rank has no images
  Ticket ticket_ = 0;               // of local_
  std::chrono::steady_clock::time_point began_;
  std::optional<double> run_s_;
  double barrier_s_ = 0;
  std::exception_ptr error_;
};

std::unique_ptr<Backend> ClusterBackend::make_local(const BackendEntry& entry) const {
  Config config = config_of(config_, mine());
  Assignment assignment = assignment_;
  assignment.first_image += mine().images.begin;
  assignment.moves_messages = scatters_;
  assignment.host_parts = 0;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_.shares_processors(rank) || !has_images(rank)) continue;
    if (rank < ranks_.rank()) ++assignment.host_part;
    ++assignment.host_parts;
    assignment.host_workers += parts_[static_cast<std::size_t>(rank)].num_workers;
  }
  // Without a device, the backend says why when it is made.
  const int devices = entry.device_count ? entry.device_count() : 0;
  if (devices > 0)
    config.devices = devices_of(config, devices, ranks_.local_rank(), ranks_.local_ranks());
  return entry.create(config, assignment);
}

/// `sum` is of this rank: what is the same on all of them (direct, quantised, line_bytes).
BackendFacts ClusterBackend::merged(BackendFacts sum, const FactsOfRanks& of_ranks) const {
  sum.kernel = of_ranks.front()->kernel;
  sum.path = of_ranks.front()->path;
  sum.cpus.clear();  // they stand with the ranks
  sum.last_cache_bytes = 0;
  sum.transfer = {};
  std::vector<std::vector<std::string>> warnings(of_ranks.size());
  std::set<std::string> used_devices;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    const std::optional<BackendFacts>& own = of_ranks[r];
    RankFacts& facts = sum.ranks.emplace_back(
        RankFacts{ranks_.host_of(rank), parts_[r].num_workers, parts_[r].images.size()});
    if (!own) continue;
    facts.kernel = own->kernel;
    facts.cpus = own->cpus;
    facts.device = own->device;
    warnings[r] = own->warnings;
    // Ranks of one host share its last cache, but each has devices of its own.
    if (facts.device || is_first_on_host(rank)) sum.last_cache_bytes += own->last_cache_bytes;
    sum.transfer.up_bytes += own->transfer.up_bytes;
    sum.transfer.down_bytes += own->transfer.down_bytes;
    if (facts.kernel != sum.kernel) {
      warnings[r].push_back(
          fmt::format("--kernel auto took {} there, and {} on rank 0", facts.kernel, sum.kernel));
    }
    for (const DeviceInfo& device : own->devices) {
      if (!used_devices.insert(facts.host + " " + device.pci_bus_id).second)
        warnings[r].push_back(fmt::format("another rank uses device {}, too", device.pci_bus_id));
    }
  }
  sum.warnings = merge_remarks(ranks_, warnings);
  const auto idle =
      std::ranges::count(parts_, 0, [](const RankPart& part) { return part.images.size(); });
  if (idle > 0) {
    sum.warnings.push_back(fmt::format("{} of {} ranks {} nothing to do (workers: {}, images: {})",
                                       idle, ranks_.size(), idle == 1 ? "has" : "have",
                                       config_.num_workers, config_.shape.images));
  }
  if (scatters_) {
    sum.transfer.scatter_bytes = scatter_gather_.scatter_bytes();
    sum.transfer.gather_bytes = scatter_gather_.gather_bytes();
  }
  sum.wire_bytes = scatters_ ? scatter_gather_.wire_bytes() : 0;
  return sum;
}

/// The ranks' rates add up: all of them measure at the same time.
Ceilings ClusterBackend::measure_ceilings() {
  ranks_.comm().barrier();
  Ceilings sum;
  for (const Ceilings& own :
       gather(ranks_, [&] { return local_ ? local_->measure_ceilings() : Ceilings(); })) {
    sum += own;
  }
  return scatters_ ? sum += scatter_gather_.measure_ceilings() : sum;
}

template <class T>
std::span<T> ClusterBackend::others_results() const {
  const std::int64_t first = mine().images.end * config_.shape.outputs();
  const std::int64_t last = config_.shape.images * config_.shape.outputs();
  T* const results = reinterpret_cast<T*>(buffers_.results);
  return {results + first, results + last};
}

/// A pixel of every page of what is to arrive, and all filters, so that what does not arrive is
/// found.
void ClusterBackend::wipe_inputs() const {
  dispatch(config_.dtype, [&]<class T>() {
    T* const filters = reinterpret_cast<T*>(buffers_.filters);
    std::fill(filters, filters + mine().images.size() * config_.shape.taps(), poison_value<T>());
    T* const images = reinterpret_cast<T*>(buffers_.images);
    const std::int64_t step = page_bytes() / static_cast<std::int64_t>(sizeof(T));
    const std::int64_t pixels = mine().images.size() * config_.shape.pixels();
    for (std::int64_t i = 0; i < pixels; i += step) images[i] = poison_value<T>();
  });
}

void ClusterBackend::poison() {
  ranks_.agree([&] {
    if (local_) local_->poison();
    if (scatters_ && ranks_.is_root()) {
      dispatch(config_.dtype, [&]<class T>() {
        const std::span<T> results = others_results<T>();
        std::fill(results.begin(), results.end(), poison_value<T>());
      });
    } else if (scatters_) {
      wipe_inputs();
    }
  });
  run_s_.reset();
  error_ = nullptr;
  ranks_.comm().barrier();
  const auto begin = ranks_.now();
  ranks_.comm().barrier();
  barrier_s_ = ranks_.seconds_since(begin);
}

Backend::Ticket ClusterBackend::start(Range images) {
  if (images != Range{0, config_.shape.images})
    throw std::logic_error("several ranks run all images, or none");
  began_ = ranks_.now();
  if (scatters_) {
    scatter_gather_.start();
  } else {
    attempt([&] { ticket_ = local_->start({0, mine().images.size()}); });
  }
  return 0;
}

void ClusterBackend::wait(Ticket /*ticket*/) {
  if (scatters_) {
    scatter_gather_.finish();
    error_ = scatter_gather_.error();
    run_s_ = std::chrono::duration<double>(scatter_gather_.ended() - began_).count();
  } else {
    attempt([&] { local_->wait(ticket_); });
    run_s_ = ranks_.seconds_since(began_);
  }
  ranks_.comm().barrier();
}

/// The digest is that of the results that this rank holds: with `scatter`, rank 0 has all.
Trace ClusterBackend::inspect_here(bool with_times) {
  Trace trace = local_ ? local_->inspect(with_times) : Trace();
  if (!scatters_) return trace;
  if (!ranks_.is_root()) {
    trace.digest = {};
    return trace;
  }
  dispatch(config_.dtype, [&]<class T>() {
    const std::int64_t first = assignment_.first_image + mine().images.end;
    trace.digest += digest_of(std::span<const T>(others_results<T>()),
                              static_cast<std::uint64_t>(first * config_.shape.outputs()));
  });
  return trace;
}

Trace ClusterBackend::inspect(bool with_times) {
  Trace sum;
  RankTimes times;
  for (const Part& part : gather(ranks_, [&]() -> Part {
         if (error_) std::rethrow_exception(error_);
         return {inspect_here(with_times), local_ ? run_s_ : std::nullopt, barrier_s_};
       })) {
    sum += part.trace;
    if (times.run_s.empty()) times.barrier_s = part.barrier_s;  // rank 0's
    times.run_s.push_back(part.run_s);
    const std::vector<double>& busy = part.trace.busy_s;
    times.busy_s.push_back(busy.empty() ? std::nullopt : std::optional(std::ranges::max(busy)));
  }
  sum.rank_times = times;
  return sum;
}

}  // namespace

BackendTable spread_over(Ranks& ranks, const BackendTable& table) {
  BackendTable spread = table;
  if (ranks.is_alone()) return spread;
  for (BackendEntry& entry : spread) {
    entry.create = [own = entry, &ranks](const Config& config, const Assignment& assignment) {
      return std::make_unique<ClusterBackend>(config, assignment, own, ranks);
    };
  }
  return spread;
}

}  // namespace convscale
