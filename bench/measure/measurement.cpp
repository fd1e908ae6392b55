// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/measurement.hpp"

#include "bench/cli/process.hpp"
#include "bench/cli/rows.hpp"
#include "bench/measure/gather.hpp"
#include "bench/measure/input_check.hpp"
#include "bench/measure/verify.hpp"
#include "common/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>

namespace convscale {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Verification, status, outputs, max_error_of_bound, failure)

namespace {

/// A pass of the ceilings goes before each of so many iterations, and before later ones as long as
/// passes have not taken longer than iterations: short iterations, repeated until they are precise,
/// would else take a hundred times as long as they need to.
constexpr int kCeilingPasses = 20;

}  // namespace

Measurement::Measurement(const Config& config, const Workload& workload,
                         const MeasureContext& context)
    : context_(context), held_(config.shape), stopping_rule_(config) {
  record_.config = config;
  record_.setup_s = timed([&] {
    Assignment assignment;
    assignment.stop = [&peers = context.peers] { return peers.signalled(); };
    backend_ = find_backend(context.backends, config.backend).create(config, assignment);
    record_.facts = backend_->facts();
    const BackendNeeds& needs = backend_->needs();
    held_.images = needs.images.size();
    workload_ = workload.with_images(held_.images);
    inputs_ = needs.reads_inputs || config.verify || context.saves
                  ? context.inputs.share(config, needs.images, needs.placement)
                  : std::make_shared<Inputs>(config, Range{});
  });
  record_.warnings = record_.facts.warnings;
  if (record_.facts.quantised)
    record_.balance = image_balance(config.shape.images, config.num_workers);
}

void Measurement::set_up() {
  context_.progress.begin(Progress::Step::kGenerating);
  *record_.setup_s += timed([&] {
    context_.peers.agree([&] {
      inputs_->allocate();
      results_ = PageBuffer(result_bytes(), "results");
    });
    backend_->prepare(buffers());
  });
  const double generation_s = timed([&] {
    context_.peers.agree([&] {
      if (!backend_->needs().is_source || inputs_->is_filled()) return;
      record_.generation_s = 0;
      inputs_->fill(*workload_, context_.helpers, [&](double done) { return keep_going(done); });
    });
  });
  if (record_.generation_s) record_.generation_s = generation_s;
  if (is_interrupted()) return;
  const double load_s = timed([&] { backend_->load(); });
  *record_.setup_s += load_s;
  if (config().scope == Scope::kResident) record_.load_s = load_s;
  is_set_up_ = true;
}

/// Out of time, what is left of the burns is left out; but not in turns, where the times of all
/// have to be of the same rounds.
bool Measurement::is_burn() const {
  const auto& timeout_s = config().stop.timeout_s;
  const bool late = timeout_s && elapsed_s_ >= *timeout_s && !config().interleaved;
  return iterations_.times_s().empty() && iterations_.iterations() < config().burns && !late;
}

void Measurement::iterate() {
  const Range all{0, config().shape.images};
  const auto began = context_.peers.now();
  Ceilings ceilings;
  if (iterations_.iterations() < kCeilingPasses || ceilings_s_ < iterations_s_)
    ceilings_s_ += timed([&] { ceilings = backend_->measure_ceilings(); });
  checks_s_ += timed([&] { backend_->poison(); });

  const auto begin = context_.peers.now();
  const Backend::Ticket ticket = backend_->start(all);
  backend_->wait(ticket);
  double time_s = context_.peers.seconds_since(begin);

  const bool burn = is_burn();
  Trace trace;
  checks_s_ += timed([&] { trace = backend_->inspect(/*with_times=*/!burn); });
  elapsed_s_ += context_.peers.seconds_since(began);
  std::tie(time_s, ceilings_s_, elapsed_s_) =
      of_root(context_.peers, std::tuple(time_s, ceilings_s_, elapsed_s_));
  if (is_interrupted()) return;  // workers have left undone what they had not begun
  const auto number = burn ? static_cast<std::size_t>(iterations_.iterations()) + 1
                           : iterations_.times_s().size() + 1;
  iterations_.check(trace.digest, fmt::format("{} {}", burn ? "burn" : "iteration", number));
  iterations_.add(ceilings);
  iterations_s_ += time_s;
  if (burn) {
    iterations_.add_burn(time_s);
    stopping_rule_.add_burn(elapsed_s_);
  } else {
    iterations_.add_iteration(trace, time_s);
    stopping_rule_.add(time_s, elapsed_s_);
  }
}

Record Measurement::finish() {
  if (!is_set_up_) {
    conclude();
    return record_;
  }
  record_.facts = backend_->finish();
  // Kernels that ran again for phases left results of their own: those that are to be verified.
  if (config().scope == Scope::kResident && iterations_.has_results() && !is_interrupted()) {
    checks_s_ += timed([&] {
      iterations_.check(backend_->inspect(/*with_times=*/false).digest, "what is verified");
    });
  }
  record_.warnings = record_.facts.warnings;
  record_.ceilings_s = ceilings_s_;
  record_.checks_s = checks_s_;
  iterations_.summarise(record_);
  remember_median();
  warn();
  if (config().verify && iterations_.has_results() && !is_interrupted()) verify_results();
  conclude();
  context_.progress.clear();
  if (iterations_.has_results() && record_.status != Status::kInterrupted) {
    context_.on_results(config(), backend_->needs().images, buffers());
  }
  return record_;
}

/// For the last words, if it comes to that. Takes no memory. Rank 0 speaks for all, and in tests
/// ranks are threads.
void Measurement::remember_median() const {
  if (!record_.summary || !context_.peers.is_root()) return;
  std::array<char, 160> line{};
  const auto end = fmt::format_to_n(
      line.data(), line.size(), "{} {} {} {}, {}x{}, {} workers: median {:.4g} s", config().backend,
      record_.facts.kernel, name_of(config().method), name_of(config().dtype),
      config().shape.height, config().shape.width, config().num_workers, record_.summary->median);
  remember({line.data(), std::min(end.size, line.size())});
}

/// What the backend changed of its inputs. Where that cannot be told, because a file was changed,
/// the outputs are verified all the same, and a warning says so.
template <class T>
std::string Measurement::changed_inputs(const T* images, const T* filters) {
  try {
    return changed_input(*workload_, images, filters, context_.helpers,
                         backend_->needs().images.begin,
                         [&] { return !context_.peers.signalled(); });
  } catch (const ResourceError& error) {
    record_.warnings.push_back(
        fmt::format("whether the inputs stayed as they were is not known: {}", error.what()));
    return "";
  }
}

/// Of what this process holds; `kSkipped` once it is asked to stop.
Verification Measurement::verify_held() {
  return dispatch(config().dtype, [&]<class T>() {
    const T* images = inputs_->images().as<T>().data();
    const T* filters = inputs_->filters().as<T>().data();
    Verification verification = verify<T>(
        held_, images, filters, results_.as<T>().data(), context_.helpers,
        [&](double done) { return keep_going(done); }, backend_->needs().images.begin);
    if (verification.status == VerificationStatus::kSkipped) return verification;
    const std::string changed = changed_inputs(images, filters);
    if (context_.peers.signalled()) return Verification();
    if (!changed.empty()) {
      verification.status = VerificationStatus::kFailed;
      verification.failure = changed;
    }
    return verification;
  });
}

void Measurement::verify_results() {
  context_.progress.begin(Progress::Step::kVerifying);
  record_.verification_s = timed([&] {
    const bool has_some = backend_->needs().is_source && held_.images > 0;
    record_.verification = merged(gather(
        context_.peers, [&] { return has_some ? std::optional(verify_held()) : std::nullopt; }));
  });
}

void Measurement::warn() {
  constexpr double kNoisy = 0.10;
  constexpr std::int64_t kCacheFactor = 4;
  std::vector<std::string>& warnings = record_.warnings;
  if (record_.summary && record_.summary->cv > kNoisy) {
    warnings.push_back(fmt::format(
        "the times vary by {:.0f} % (coefficient of variation); is anything else running?",
        100 * record_.summary->cv));
  }
  const Shape& s = config().shape;
  const std::int64_t working_set =
      s.images * (s.pixels() + s.taps() + s.outputs()) * size_of(config().dtype);
  if (working_set < kCacheFactor * record_.facts.last_cache_bytes) {
    warnings.push_back(
        fmt::format("the working set of {:.1f} MB is under 4 times the last cache of {:.1f} MB, "
                    "which may hold much of it",
                    static_cast<double>(working_set) * 1e-6,
                    static_cast<double>(record_.facts.last_cache_bytes) * 1e-6));
  }
  if (stopping_rule_.stopped() == StoppedBy::kTimeout) {
    const auto noise = record_.summary->noise();
    warnings.push_back(
        fmt::format("--timeout {:g} s ended it after {} iteration{}{}", *config().stop.timeout_s,
                    record_.times_s.size(), record_.times_s.size() == 1 ? "" : "s",
                    noise ? fmt::format(" with a noise of {:.1f} %", 100 * *noise) : ""));
  }
  if (is_impossible(record_)) {
    warnings.push_back(
        fmt::format("{:.2f} of the bound is more than the hardware can do: this measurement is "
                    "wrong, the bound "
                    "more likely than the times; is anything else running?",
                    *record_.fraction));
  }
}

void Measurement::conclude() {
  Verification& verification = record_.verification;
  if (verification.status != VerificationStatus::kFailed && has_failed()) {
    verification.status = VerificationStatus::kFailed;
    verification.failure = iterations_.failure();
  }
  // All iterations were done, and the results compared: a signal that comes later takes nothing
  // away.
  const bool is_whole =
      has_enough() && (!config().verify || verification.status == VerificationStatus::kPassed);
  if (verification.status == VerificationStatus::kFailed) {
    record_.status = Status::kFailed;
    record_.reason = "verification failed: " + verification.failure;
  } else if (!is_whole && is_interrupted()) {
    record_.status = Status::kInterrupted;
    record_.reason = "interrupted by a signal";
  } else {
    record_.stopped_by = stopping_rule_.stopped();
  }
}

}  // namespace convscale
