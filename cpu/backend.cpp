// SPDX-License-Identifier: Apache-2.0
#include "cpu/backend.hpp"

#include "common/buffer.hpp"
#include "common/digest.hpp"
#include "common/error.hpp"
#include "common/host.hpp"
#include "common/kernel_table.hpp"
#include "common/thread_team.hpp"
#include "common/topology.hpp"
#include "cpu/ceilings.hpp"
#include "cpu/kernel_table.hpp"
#include "cpu/placement.hpp"
#include "cpu/plausible.hpp"
#include "cpu/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>

namespace convscale {
namespace {

/// Writes to every page that holds a byte of begin..end, so that it lies near the calling thread,
/// and changes nothing: it may hold data of an earlier configuration.
template <class T>
void first_touch(std::span<T> data) {
  const std::span<std::byte> bytes = std::as_writable_bytes(data);
  const std::int64_t page = page_bytes();
  std::byte* const end = bytes.data() + bytes.size();
  for (volatile std::byte* p = bytes.data(); p < end; p += page) *p = *p;
  if (volatile std::byte* last = end - 1; !bytes.empty()) *last = *last;
}

template <class T>
class CpuBackend final : public Backend {
 public:
  CpuBackend(const Config& config, const Assignment& assignment, const Kernel& kernel,
             const CeilingLoops& loops)
      : config_(config),
        assignment_(assignment),
        kernel_(kernel),
        loops_(loops),
        cpus_(processors_of(topology_, config, assignment)),
        workers_(static_cast<std::size_t>(config.num_workers)),
        team_(
            config.num_workers,
            [this](int worker) {
              if (!cpus_.empty()) topology_.pin(cpu_of(worker));
            },
            /*spin=*/config.num_workers + (assignment.moves_messages ? 1 : 0) <=
                own_share(topology_.threads())) {
    for (Worker& worker : workers_) worker.plan = kernel.plan(Request(config));
    set_facts();
    needs_.images = {0, config.shape.images};
    needs_.scratch_bytes = config.num_workers * workers_.front().plan->scratch_bytes();
    needs_.placement = placement_of(topology_, config, cpus_);
  }

  void prepare(const HostBuffers& buffers) override {
    images_ = reinterpret_cast<T*>(buffers.images);
    filters_ = reinterpret_cast<T*>(buffers.filters);
    results_ = reinterpret_cast<T*>(buffers.results);
    for (Worker& worker : workers_)
      worker.scratch = PageBuffer(worker.plan->scratch_bytes(), "scratch");
    const Shape& s = config_.shape;
    team_.run([&](int worker) {
      for_each_own_band(worker, [&](const RowBand& band) {
        // The pixels that only this band needs; the few that two bands share go to whoever comes
        // first.
        const bool last = band.row_end == s.out_height();
        T* image = images_ + band.image * s.pixels();
        T* const first = image + std::min(band.row_begin * s.stride, s.height) * s.width;
        const std::int64_t end = last ? s.height : std::min(band.row_end * s.stride, s.height);
        first_touch(std::span(first, image + end * s.width));
        T* const taps = filters_ + band.image * s.taps();
        if (band.row_begin == 0) first_touch(std::span(taps, taps + s.taps()));
        first_touch(results_of(band));
      });
      first_touch(workers_[static_cast<std::size_t>(worker)].scratch.template as<std::byte>());
    });
    meter_.emplace(loops_, team_, buffers.images,
                   s.images * s.pixels() * static_cast<std::int64_t>(sizeof(T)), config_.dtype,
                   CeilingMeter::Clock::now, assignment_.stop);
  }

  Ceilings measure_ceilings() override { return meter_->sample(); }

  void poison() override {
    team_.run([&](int worker) {
      workers_[static_cast<std::size_t>(worker)].busy_s = 0;
      for_each_own_band(worker, [&](const RowBand& band) {
        std::ranges::fill(results_of(band), poison_value<T>());
      });
    });
  }

  Ticket start(Range range) override {
    auto next = std::make_shared<std::atomic<std::int64_t>>(range.begin);
    return team_.start([this, range, next](int worker) {
      const auto begin = std::chrono::steady_clock::now();
      Worker& self = workers_[static_cast<std::size_t>(worker)];
      const Shape& s = config_.shape;
      if (config_.schedule == Schedule::kDynamic) {
        for (std::int64_t i = (*next)++; i < range.end && !assignment_.stop(); i = (*next)++)
          work_on({i, 0, s.out_height()}, self);
      } else {
        for_each_band(range, s.out_height(), config_.schedule == Schedule::kStatic,
                      config_.num_workers, worker,
                      [&](const RowBand& band) { work_on(band, self); });
      }
      self.busy_s +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    });
  }

  void wait(Ticket ticket) override { team_.wait(ticket); }
  bool is_done(Ticket ticket) override { return team_.is_done(ticket); }

  Trace inspect(bool /*with_times*/) override {
    const std::int64_t before = assignment_.first_image * config_.shape.outputs();
    team_.run([&](int worker) {
      Digest sum;
      for_each_own_band(worker, [&](const RowBand& band) {
        const std::span<const T> results = results_of(band);
        sum += digest_of(results, static_cast<std::uint64_t>(before + (results.data() - results_)));
      });
      workers_[static_cast<std::size_t>(worker)].digest = sum;
    });
    Trace trace;
    for (const Worker& worker : workers_) {
      trace.digest += worker.digest;
      trace.busy_s.push_back(worker.busy_s);
    }
    return trace;
  }

  BackendFacts finish() override {
    BackendFacts facts = facts_;
    const int busy_cores = std::min(config_.num_workers, topology_.cores());
    const auto of_peak = remark_on_peak(meter_->best_flops_per_s(), busy_cores, loops_,
                                        config_.dtype, processor_clock());
    const auto of_reads = remark_on_reads(meter_->best_reads_per_s());
    if (of_peak) facts.warnings.push_back(*of_peak);
    if (of_reads) facts.warnings.push_back(*of_reads);
    return facts;
  }

 private:
  struct alignas(64) Worker {  // a line each, so that workers do not share one
    std::unique_ptr<Plan> plan;
    PageBuffer scratch;
    double busy_s = 0;
    Digest digest;
  };

  void set_facts() {
    const Plan& plan = *workers_.front().plan;
    facts_.kernel = kernel_.name;
    facts_.path = plan.path();
    facts_.direct = plan.direct();
    if (!cpus_.empty()) {
      for (int worker = 0; worker < config_.num_workers; ++worker)
        facts_.cpus.push_back(cpu_of(worker));
    }
    facts_.last_cache_bytes = topology_.last_cache_bytes();
    facts_.quantised = config_.schedule != Schedule::kSplit;
    const int workers = std::max(config_.num_workers, assignment_.host_workers);
    if (const int cores = topology_.cores(); workers > cores) {
      facts_.warnings.push_back(
          fmt::format("{} workers share {} core{}", workers, cores, cores == 1 ? "" : "s"));
    }
    if (const auto quota = cpu_quota(); quota && *quota < workers) {
      facts_.warnings.push_back(
          fmt::format("{} workers share a cgroup quota of {:.2f} processors", workers, *quota));
    }
  }

  /// Of what the host has, with other processes there.
  int own_share(int count) const { return std::max(1, count / assignment_.host_parts); }

  int cpu_of(int worker) const { return cpus_[static_cast<std::size_t>(worker) % cpus_.size()]; }

  std::span<T> results_of(const RowBand& band) const {
    const Shape& s = config_.shape;
    T* const results = results_ + band.image * s.outputs();
    return {results + band.row_begin * s.out_width(), results + band.row_end * s.out_width()};
  }

  /// The bands whose pages lie near `worker`: those that it computes, or with schedule `dynamic`
  /// would compute with `static`. In pieces of some milliseconds.
  template <class Body>
  void for_each_own_band(int worker, Body&& body) const {
    constexpr std::int64_t kPieceBytes = std::int64_t{16} << 20;
    const Shape& s = config_.shape;
    const std::int64_t bytes_of_row =
        std::max(s.width, s.out_width()) * s.stride * size_of(config_.dtype);
    const std::int64_t rows = std::max<std::int64_t>(1, kPieceBytes / bytes_of_row);
    for_each_band({0, s.images}, s.out_height(), config_.schedule != Schedule::kSplit,
                  config_.num_workers, worker,
                  [&](const RowBand& band) { for_each_piece(band, rows, assignment_.stop, body); });
  }

  /// The work item: one convolution, or as many as `--work_time` asks for.
  void work_on(const RowBand& band, const Worker& worker) const {
    if (config_.work_time_s) {
      const auto begin = std::chrono::steady_clock::now();
      const std::chrono::duration<double> least(*config_.work_time_s);
      while (std::chrono::steady_clock::now() - begin < least && !assignment_.stop())
        convolve(band, worker);
    }
    convolve(band, worker);
  }

  /// In pieces that take some 0.1 s where a kernel is slow, and longer only where a group of rows
  /// does; with the default sizes an image is one piece.
  void convolve(const RowBand& band, const Worker& worker) const {
    constexpr std::int64_t kPieceFlops = std::int64_t{1} << 25;
    const Shape& s = config_.shape;
    const std::int64_t flops_of_row = flops(s, config_.method) / (s.images * s.out_height());
    const std::int64_t of_plan = worker.plan->row_group();
    const std::int64_t group = of_plan == 0 ? s.out_height() : of_plan;
    const std::int64_t groups = kPieceFlops / std::max<std::int64_t>(1, flops_of_row) / group;
    const std::int64_t rows = std::max<std::int64_t>(1, groups) * group;
    for_each_piece(band, rows, assignment_.stop, [&](const RowBand& piece) {
      worker.plan->run(piece_of<T>(images_ + band.image * s.pixels(),
                                   filters_ + band.image * s.taps(), piece.row_begin, piece.row_end,
                                   results_of(piece).data(), worker.scratch.data()));
    });
  }

  const Config config_;
  const Assignment assignment_;
  const Kernel& kernel_;
  const CeilingLoops& loops_;
  const Topology topology_;
  const std::vector<int> cpus_;  // in the order in which workers take them
  std::vector<Worker> workers_;
  T* images_ = nullptr;
  T* filters_ = nullptr;
  T* results_ = nullptr;
  std::optional<CeilingMeter> meter_;
  ThreadTeam team_;  // last, so that its threads end before what they work on
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const Config& config, const Assignment& assignment,
                                          std::span<const Kernel> kernels,
                                          const CeilingLoops& loops) {
  const Request request(config);
  const Kernel& kernel = find_kernel("cpu", kernels, config.kernel, request);
  if (config.scope == Scope::kResident) {
    throw UnsupportedError(
        "--scope resident: on backend cpu it is the same as end-to-end; --scope end-to-end would "
        "do");
  }
  return dispatch(config.dtype, [&]<class T>() -> std::unique_ptr<Backend> {
    return std::make_unique<CpuBackend<T>>(config, assignment, kernel, loops);
  });
}

BackendEntry cpu_backend() {
  const auto devices = [] {
    const Topology topology;
    return std::vector<Listing>{
        {"cpu",
         fmt::format("{}, {} sockets, {} cores, {} threads, processors {}",
                     topology.cpu_model().empty() ? "unknown model" : topology.cpu_model(),
                     topology.sockets(), topology.cores(), topology.threads(), topology.affinity()),
         ""}};
  };
  return {.name = "cpu",
          .kernels = [] { return list_kernels(cpu_kernels()); },
          .devices = devices,
          .create =
              [](const Config& config, const Assignment& assignment) {
                return make_cpu_backend(config, assignment, cpu_kernels());
              }};
}

}  // namespace convscale
