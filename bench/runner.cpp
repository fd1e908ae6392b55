// SPDX-License-Identifier: Apache-2.0
#include "bench/runner.hpp"

#include "bench/plan.hpp"
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/limits.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace convscale {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

/// Seconds that `step` takes.
template <class Step>
double timed(Step&& step) {
  const auto begin = Clock::now();
  step();
  return seconds_between(begin, Clock::now());
}

/// The memory of one configuration.
struct Buffers {
  PageBuffer images, filters, results;

  static std::int64_t bytes(const Shape& s, Dtype dtype) {
    return s.images * (s.pixels() + s.taps() + s.outputs()) * size_of(dtype);
  }
  Buffers(const Shape& s, Dtype dtype)
      : images(s.images * s.pixels() * size_of(dtype), "images"),
        filters(s.images * s.taps() * size_of(dtype), "filters"),
        results(s.images * s.outputs() * size_of(dtype), "results") {}
  HostBuffers host() const { return {images.data(), filters.data(), results.data()}; }
};

/// What the iterations leave.
struct Samples {
  std::vector<double> times_s;
  std::vector<double> read_bytes_per_s, peak_flops_per_s, up_bytes_per_s, down_bytes_per_s,
      duplex_bytes_per_s;
  std::vector<double> upload_s, kernel_s, download_s;
  std::vector<std::vector<double>> busy_s;  // of each worker
  std::optional<Digest> digest;
  std::string failure;  // an iteration whose results cannot be right
};

void add(std::vector<double>& samples, std::optional<double> value) {
  if (value) samples.push_back(*value);
}

void add(Samples& samples, const Ceilings& ceilings) {
  add(samples.read_bytes_per_s, ceilings.read_bytes_per_s);
  add(samples.peak_flops_per_s, ceilings.peak_flops_per_s);
  add(samples.up_bytes_per_s, ceilings.up_bytes_per_s);
  add(samples.down_bytes_per_s, ceilings.down_bytes_per_s);
  add(samples.duplex_bytes_per_s, ceilings.duplex_bytes_per_s);
}

void add(Samples& samples, Backend& backend, double time_s) {
  samples.times_s.push_back(time_s);
  if (const auto phases = backend.phases()) {
    samples.upload_s.push_back(phases->upload_s);
    samples.kernel_s.push_back(phases->kernel_s);
    samples.download_s.push_back(phases->download_s);
  }
  const std::vector<double> busy = backend.busy_s();
  samples.busy_s.resize(busy.size());
  for (std::size_t worker = 0; worker < busy.size(); ++worker)
    samples.busy_s[worker].push_back(busy[worker]);
}

/// Compares an iteration's digest with the first one's.
void check_digest(Samples& samples, const Digest& digest, const std::string& iteration) {
  if (digest.unwritten > 0) {
    samples.failure = fmt::format("{} left {} outputs unwritten", iteration, digest.unwritten);
  } else if (samples.digest && *samples.digest != digest) {
    samples.failure = fmt::format("{} has digest {:016x}, the ones before {:016x}", iteration,
                                  digest.value, samples.digest->value);
  }
  samples.digest = digest;
}

Samples iterate(const Config& config, Backend& backend, const RunContext& context) {
  const ImageRange all{0, config.shape.images};
  const int total = config.burns + config.iterations;
  Samples samples;
  for (int iteration = 0; iteration < total && !context.interrupted() && samples.failure.empty();
       ++iteration) {
    const Ceilings ceilings = backend.measure_ceilings();
    backend.poison();

    const auto begin = Clock::now();
    backend.start(all);
    backend.wait(all);
    const auto end = Clock::now();

    const bool burn = iteration < config.burns;
    check_digest(samples, backend.digest(),
                 fmt::format("{} {}", burn ? "burn" : "iteration",
                             (burn ? iteration : iteration - config.burns) + 1));
    add(samples, ceilings);
    if (!burn) add(samples, backend, seconds_between(begin, end));
    context.progress.update(static_cast<double>(iteration + 1) / total);
  }
  backend.collect();
  return samples;
}

std::optional<double> median_or_null(const std::vector<double>& samples) {
  return samples.empty() ? std::nullopt : std::optional(median_of(samples));
}

std::optional<double> max_or_null(const std::vector<double>& samples) {
  const auto best = std::max_element(samples.begin(), samples.end());
  return best == samples.end() ? std::nullopt : std::optional(*best);
}

void summarise(Record& record, const Samples& samples) {
  record.times_s = samples.times_s;
  if (samples.digest && samples.failure.empty()) record.digest = samples.digest->value;
  if (samples.times_s.empty()) return;
  const Config& config = record.config;
  record.summary = summarize(samples.times_s);

  Ceilings ceilings{.read_bytes_per_s = median_or_null(samples.read_bytes_per_s),
                    .peak_flops_per_s = max_or_null(samples.peak_flops_per_s),
                    .up_bytes_per_s = median_or_null(samples.up_bytes_per_s),
                    .down_bytes_per_s = median_or_null(samples.down_bytes_per_s),
                    .duplex_bytes_per_s = median_or_null(samples.duplex_bytes_per_s)};
  if (!record.facts.direct) ceilings.peak_flops_per_s.reset();
  record.bound = compute_bound(config.shape, config.method, config.dtype, record.facts.line_bytes,
                               ceilings, record.facts.transfer);
  if (record.bound) record.fraction = record.bound->time_s / record.summary->median;

  if (!samples.kernel_s.empty()) {
    record.phases = Phases{median_of(samples.upload_s), median_of(samples.kernel_s),
                           median_of(samples.download_s)};
  }
  if (!samples.busy_s.empty()) {
    std::vector<double> medians;
    for (const auto& of_worker : samples.busy_s) medians.push_back(median_of(of_worker));
    const auto [least, most] = std::minmax_element(medians.begin(), medians.end());
    record.workers = WorkerTimes{*least, *most};
  }
}

void warn(Record& record) {
  constexpr double kNoisy = 0.10, kImpossible = 1.02;
  constexpr std::int64_t kCacheFactor = 4;
  const Shape& s = record.config.shape;
  if (record.summary && record.summary->cv > kNoisy) {
    record.warnings.push_back(fmt::format(
        "the times vary by {:.0f} % (coefficient of variation); is anything else running?",
        100 * record.summary->cv));
  }
  const std::int64_t working_set = Buffers::bytes(s, record.config.dtype);
  if (working_set < kCacheFactor * record.facts.last_cache_bytes) {
    record.warnings.push_back(
        fmt::format("the working set of {:.1f} MB is under 4 times the last cache of {:.1f} MB, "
                    "which may hold much of it",
                    static_cast<double>(working_set) * 1e-6,
                    static_cast<double>(record.facts.last_cache_bytes) * 1e-6));
  }
  if (record.fraction && *record.fraction > kImpossible) {
    record.warnings.push_back(fmt::format(
        "{:.2f} of the bound is more than the hardware can do: this measurement is wrong",
        *record.fraction));
  }
}

/// How it ended.
void conclude(Record& record, const Samples& samples, bool interrupted) {
  if (record.verification.status == VerificationStatus::kFailed) {
    record.status = Status::kFailed;
    record.reason = "verification failed: " + record.verification.failure;
  } else if (!samples.failure.empty()) {
    record.status = Status::kFailed;
    record.verification.status = VerificationStatus::kFailed;
    record.verification.failure = samples.failure;
    record.reason = "verification failed: " + samples.failure;
  } else if (interrupted) {
    record.status = Status::kInterrupted;
    record.reason = "interrupted by a signal";
  }
}

template <class T>
Record measure_as(const Config& config, const Workload& workload, const RunContext& context) {
  Record record;
  record.config = config;
  // Before the backend, whose end unregisters them and waits for copies that a fault left under
  // way.
  std::optional<Buffers> memory;
  const std::unique_ptr<Backend> backend =
      find_backend(context.backends, config.backend).create(config);
  record.facts = backend->facts();
  record.warnings = record.facts.warnings;
  if (record.facts.quantised)
    record.balance = image_balance(config.shape.images, config.num_workers);

  check_memory(Buffers::bytes(config.shape, config.dtype) + backend->scratch_bytes());
  const Buffers& buffers = memory.emplace(config.shape, config.dtype);
  const std::span<T> images = buffers.images.as<T>(), filters = buffers.filters.as<T>(),
                     results = buffers.results.as<T>();

  const auto keep_going = [&](double done) {
    context.progress.update(done);
    return !context.interrupted();
  };
  context.progress.begin("generating");
  record.setup_s = timed([&] { backend->prepare(buffers.host()); });
  record.generation_s = timed([&] {
    workload.fill(images.data(), filters.data(), context.helpers, config.first_image, keep_going);
  });
  const double load_s = timed([&] { backend->load(); });
  record.setup_s = *record.setup_s + load_s;
  if (config.scope == Scope::kResident) record.load_s = load_s;

  context.progress.begin("measuring");
  const Samples samples = iterate(config, *backend, context);
  record.facts = backend->facts();
  record.warnings = record.facts.warnings;
  summarise(record, samples);
  warn(record);

  if (config.verify && samples.digest && !context.interrupted()) {
    context.progress.begin("verifying");
    record.verification_s = timed([&] {
      record.verification = verify<T>(config.shape, images.data(), filters.data(), results.data(),
                                      context.helpers, keep_going);
    });
  }
  conclude(record, samples, context.interrupted());
  context.progress.clear();
  if (samples.digest && record.status != Status::kInterrupted)
    context.on_results(config, buffers.host());
  return record;
}

}  // namespace

Record measure(const Config& config, const Workload& workload, const RunContext& context) {
  return dispatch(config.dtype,
                  [&]<class T>() { return measure_as<T>(config, workload, context); });
}

}  // namespace convscale
