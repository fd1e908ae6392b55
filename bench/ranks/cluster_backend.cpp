// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/cluster_backend.hpp"

#include "bench/ranks/partition.hpp"
#include "bench/ranks/scatter_gather.hpp"
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/limits.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>

namespace convscale {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

template <class T>
Json nullable(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <class T>
std::optional<T> optional_of(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<T>());
}

/// The sum of what is known; null where nothing is.
void add_to(std::optional<double>& sum, const Json& value) {
  if (!value.is_null()) sum = sum.value_or(0) + value.get<double>();
}

class ClusterBackend final : public Backend {
 public:
  ClusterBackend(const Config& config, const BackendEntry& entry, Ranks& ranks)
      : config_(config),
        ranks_(ranks),
        shares_(deal_parts(config.shape.images, config.num_workers, ranks.size())),
        scatters_(config.distribute == Distribute::kScatter),
        exchange_(ranks, config, shares_) {
    // The other ranks on this host start theirs at the same time. On a device they are streams.
    const std::int64_t threads = ranks.sum_on_host(entry.device_count ? 0 : mine().num_workers);
    all_json([&] {
      check_threads(threads);
      if (mine().count() > 0) local_ = entry.create(local_config(entry));
      if (scatters_ && config.scope == Scope::kResident) {
        throw UnsupportedError(
            "--scope resident: what is shipped with every iteration does not stay on a device; "
            "--distribute local would do");
      }
      return Json();
    });
  }

  BackendFacts facts() const override;
  std::int64_t scratch_bytes() const override { return local_ ? local_->scratch_bytes() : 0; }
  std::vector<DeviceNeed> device_needs() const override {
    return local_ ? local_->device_needs() : std::vector<DeviceNeed>();
  }
  std::optional<std::string> placement() const override {
    const auto of_local = local_ ? local_->placement() : std::optional<std::string>("");
    return of_local ? std::optional("share " + *of_local) : std::nullopt;
  }
  bool reads_inputs() const override { return scatters_ || !local_ || local_->reads_inputs(); }
  std::optional<Holding> holding() const override {
    if (scatters_ && ranks_.is_root()) return Holding{{0, config_.shape.images}, true};
    return Holding{mine().images, !scatters_};
  }

  void stop_when(std::function<bool()> stop) override {
    if (local_) local_->stop_when(std::move(stop));
  }

  void prepare(const HostBuffers& buffers) override {
    buffers_ = buffers;
    agree([&] { local_->prepare(buffers); });  // rank 0's share is the first
    exchange_.prepare(buffers, local_.get());
  }
  void load() override {
    agree([&] { local_->load(); });
  }
  Ceilings measure_ceilings() override;
  void poison() override;
  void start(Range range) override;
  void wait(Range range) override;
  Digest digest() override;
  void collect() override {
    agree([&] { local_->collect(); });
  }
  std::optional<Phases> phases() override;
  std::vector<double> busy_s() const override { return busy_s_; }
  std::optional<RankTimes> rank_times() const override { return times_; }

 private:
  double seconds_since(Clock::time_point begin) const {
    return std::chrono::duration<double>(ranks_.comm().now() - begin).count();
  }
  bool is_first_on_host(int rank) const {
    int first = 0;  // of those with images
    while (!ranks_.are_on_one_host(first, rank) ||
           shares_[static_cast<std::size_t>(first)].count() == 0) {
      ++first;
    }
    return first == rank;
  }
  const RankPart& mine() const { return shares_[static_cast<std::size_t>(ranks_.rank())]; }
  Config local_config(const BackendEntry& entry) const;
  std::vector<Json> all_json(const std::function<Json()>& step) const;
  /// `step` on every rank that has images.
  void agree(const std::function<void()>& step) const {
    all_json([&] {
      if (local_) step();
      return Json();
    });
  }
  void require_all(Range range) const;
  /// On rank 0, which holds all results, those of the others.
  template <class T>
  std::span<T> others_results() const;
  void wipe_inputs() const;
  Digest digest_here();

  const Config config_;
  Ranks& ranks_;
  const std::vector<RankPart> shares_;
  const bool scatters_;
  HostBuffers buffers_;
  ScatterGather exchange_;
  std::unique_ptr<Backend> local_;  // null where this rank has no images
  Clock::time_point began_;
  std::optional<double> run_s_;
  double barrier_s_ = 0;
  std::exception_ptr error_;
  std::vector<double> busy_s_;
  RankTimes times_;
};

/// What `step` says on every rank.
std::vector<Json> ClusterBackend::all_json(const std::function<Json()>& step) const {
  std::vector<Json> values;
  const auto dump = [&] { return step().dump(-1, ' ', false, Json::error_handler_t::replace); };
  for (const std::string& text : ranks_.collect(dump)) values.push_back(Json::parse(text));
  return values;
}

Config ClusterBackend::local_config(const BackendEntry& entry) const {
  Config config = config_of(config_, mine());
  config.host_part = 0;
  config.host_parts = 0;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_.shares_processors(rank) || shares_[static_cast<std::size_t>(rank)].count() == 0)
      continue;
    if (rank < ranks_.rank()) ++config.host_part;
    ++config.host_parts;
    config.host_workers += shares_[static_cast<std::size_t>(rank)].num_workers;
  }
  // Without a device, the backend says why when it is made.
  const int devices = entry.device_count ? entry.device_count() : 0;
  if (devices > 0)
    config.devices = devices_of(config, devices, ranks_.local_rank(), ranks_.local_ranks());
  return config;
}

BackendFacts ClusterBackend::facts() const {
  const auto of_ranks = all_json([&]() -> Json {
    if (!local_) return nullptr;
    const BackendFacts facts = local_->facts();
    Json pci = Json::array();
    for (const DeviceInfo& device : facts.devices) pci.push_back(device.pci_bus_id);
    return {{"kernel", facts.kernel},
            {"cpus", facts.cpus},
            {"device", nullable(facts.device)},
            {"pci", pci},
            {"last_cache_bytes", facts.last_cache_bytes},
            {"up_bytes", facts.transfer.up_bytes},
            {"down_bytes", facts.transfer.down_bytes},
            {"warnings", facts.warnings}};
  });
  BackendFacts sum;
  if (local_)
    sum = local_->facts();  // what is the same on all ranks: direct, quantised, line_bytes
  sum.kernel = of_ranks.front().at("kernel");
  sum.cpus.clear();  // they stand with the ranks
  sum.last_cache_bytes = 0;
  sum.transfer = {};
  std::vector<std::vector<std::string>> warnings(of_ranks.size());
  std::set<std::string> used_devices;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    const Json& own = of_ranks[r];
    RankFacts& facts = sum.ranks.emplace_back();
    facts.host = ranks_.host_of(rank);
    facts.num_workers = shares_[r].num_workers;
    facts.images = shares_[r].count();
    if (own.is_null()) continue;
    facts.kernel = own.at("kernel");
    facts.cpus = own.at("cpus").get<std::vector<int>>();
    facts.device = optional_of<std::string>(own.at("device"));
    warnings[r] = own.at("warnings").get<std::vector<std::string>>();
    // Ranks of one host share its last cache, but each has devices of its own.
    if (facts.device || is_first_on_host(rank))
      sum.last_cache_bytes += own.at("last_cache_bytes").get<std::int64_t>();
    sum.transfer.up_bytes += own.at("up_bytes").get<std::int64_t>();
    sum.transfer.down_bytes += own.at("down_bytes").get<std::int64_t>();
    if (facts.kernel != sum.kernel) {
      warnings[r].push_back(
          fmt::format("--kernel auto took {} there, and {} on rank 0", facts.kernel, sum.kernel));
    }
    for (const std::string pci : own.at("pci")) {
      if (!used_devices.insert(facts.host + " " + pci).second)
        warnings[r].push_back(fmt::format("another rank uses device {}, too", pci));
    }
  }
  sum.warnings = merge_remarks(ranks_, warnings);
  const auto idle = std::count_if(shares_.begin(), shares_.end(),
                                  [](const RankPart& share) { return share.count() == 0; });
  if (idle > 0) {
    sum.warnings.push_back(fmt::format("{} of {} ranks {} nothing to do (workers: {}, images: {})",
                                       idle, ranks_.size(), idle == 1 ? "has" : "have",
                                       config_.num_workers, config_.shape.images));
  }
  if (scatters_) {
    sum.transfer.scatter_bytes = exchange_.scatter_bytes();
    sum.transfer.gather_bytes = exchange_.gather_bytes();
  }
  sum.wire_bytes = scatters_ ? exchange_.wire_bytes() : 0;
  return sum;
}

/// The ranks' rates add up: all of them measure at the same time.
Ceilings ClusterBackend::measure_ceilings() {
  ranks_.comm().barrier();
  const auto of_ranks = all_json([&]() -> Json {
    if (!local_) return nullptr;
    const Ceilings own = local_->measure_ceilings();
    return {nullable(own.read_bytes_per_s),   nullable(own.peak_flops_per_s),
            nullable(own.up_bytes_per_s),     nullable(own.down_bytes_per_s),
            nullable(own.duplex_bytes_per_s), nullable(own.copy_bytes_per_s)};
  });
  Ceilings sum;
  if (scatters_) {
    const Ceilings network = exchange_.measure_ceilings();
    sum.scatter_bytes_per_s = network.scatter_bytes_per_s;
    sum.gather_bytes_per_s = network.gather_bytes_per_s;
  }
  for (const Json& own : of_ranks) {
    if (own.is_null()) continue;
    add_to(sum.read_bytes_per_s, own[0]);
    add_to(sum.peak_flops_per_s, own[1]);
    add_to(sum.up_bytes_per_s, own[2]);
    add_to(sum.down_bytes_per_s, own[3]);
    add_to(sum.duplex_bytes_per_s, own[4]);
    add_to(sum.copy_bytes_per_s, own[5]);
  }
  return sum;
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
    std::fill(filters, filters + mine().count() * config_.shape.taps(), poison_value<T>());
    T* const images = reinterpret_cast<T*>(buffers_.images);
    const std::int64_t step = page_bytes() / static_cast<std::int64_t>(sizeof(T));
    const std::int64_t pixels = mine().count() * config_.shape.pixels();
    for (std::int64_t i = 0; i < pixels; i += step) images[i] = poison_value<T>();
  });
}

void ClusterBackend::poison() {
  all_json([&] {
    if (local_) local_->poison();
    if (scatters_ && ranks_.is_root()) {
      dispatch(config_.dtype, [&]<class T>() {
        const std::span<T> results = others_results<T>();
        std::fill(results.begin(), results.end(), poison_value<T>());
      });
    } else if (scatters_) {
      wipe_inputs();
    }
    return Json();
  });
  run_s_.reset();
  error_ = nullptr;
  ranks_.comm().barrier();
  const auto begin = ranks_.comm().now();
  ranks_.comm().barrier();
  barrier_s_ = seconds_since(begin);
}

void ClusterBackend::require_all(Range range) const {
  if (range != Range{0, config_.shape.images})
    throw std::logic_error("several ranks run all images, or none");
}

void ClusterBackend::start(Range range) {
  require_all(range);
  began_ = ranks_.comm().now();
  if (scatters_) return exchange_.start();
  try {
    if (local_) local_->start({0, mine().count()});
  } catch (...) {
    error_ = std::current_exception();
  }
}

void ClusterBackend::wait(Range range) {
  require_all(range);
  if (scatters_) {
    exchange_.finish();
    error_ = exchange_.error();
    run_s_ = std::chrono::duration<double>(exchange_.ended() - began_).count();
  } else {
    try {
      if (local_ && !error_) local_->wait({0, mine().count()});
    } catch (...) {
      error_ = std::current_exception();
    }
    run_s_ = seconds_since(began_);
  }
  ranks_.comm().barrier();
}

/// Of the results that this rank holds: with `scatter`, rank 0 has all.
Digest ClusterBackend::digest_here() {
  Digest sum;
  if (!local_ || (scatters_ && !ranks_.is_root())) return sum;
  sum = local_->digest();
  if (!scatters_) return sum;
  dispatch(config_.dtype, [&]<class T>() {
    const std::int64_t first = config_.first_image + mine().images.end;
    sum += digest_of(std::span<const T>(others_results<T>()),
                     static_cast<std::uint64_t>(first * config_.shape.outputs()));
  });
  return sum;
}

Digest ClusterBackend::digest() {
  const auto of_ranks = all_json([&]() -> Json {
    if (error_) std::rethrow_exception(error_);
    const Digest own = digest_here();
    return {own.value, own.unwritten, local_ ? nullable(run_s_) : Json(nullptr), barrier_s_};
  });
  Digest sum;
  times_ = {};
  times_.barrier_s = of_ranks.front()[3].get<double>();
  for (const Json& own : of_ranks) {
    sum += Digest{own[0].get<std::uint64_t>(), own[1].get<std::int64_t>()};
    times_.run_s.push_back(optional_of<double>(own[2]));
  }
  return sum;
}

/// Of several ranks, whose clocks cannot be compared, the longest. Busy times are those that the
/// phases tell of, so they come along.
std::optional<Phases> ClusterBackend::phases() {
  std::optional<Phases> longest;
  busy_s_.clear();
  times_.busy_s.clear();
  for (const Json& of_rank : all_json([&]() -> Json {
         if (!local_) return {nullptr, Json::array()};
         const auto phases = local_->phases();
         return {phases ? Json{phases->upload_s, phases->kernel_s, phases->download_s} : Json(),
                 local_->busy_s()};
       })) {
    const auto busy = of_rank[1].get<std::vector<double>>();
    busy_s_.insert(busy_s_.end(), busy.begin(), busy.end());
    const auto most = std::max_element(busy.begin(), busy.end());
    times_.busy_s.push_back(most == busy.end() ? std::nullopt : std::optional(*most));
    const Json& own = of_rank[0];
    if (own.is_null()) continue;
    if (!longest) longest.emplace();
    longest->upload_s = std::max(longest->upload_s, own[0].get<double>());
    longest->kernel_s = std::max(longest->kernel_s, own[1].get<double>());
    longest->download_s = std::max(longest->download_s, own[2].get<double>());
  }
  return longest;
}

}  // namespace

BackendTable spread_over(Ranks& ranks, const BackendTable& table) {
  BackendTable spread = table;
  if (ranks.is_alone()) return spread;
  for (BackendEntry& entry : spread) {
    entry.create = [own = entry, &ranks](const Config& config) {
      return std::make_unique<ClusterBackend>(config, own, ranks);
    };
  }
  return spread;
}

}  // namespace convscale
