// SPDX-License-Identifier: Apache-2.0
#include "bench/runner.hpp"

#include "common/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <new>
#include <set>
#include <utility>

namespace convscale {
namespace {

/// Runs `step` and says how it ended; null if well. UsageError passes.
template <class Step>
std::optional<Outcome> failure_of(const Config& config, Step&& step) {
  try {
    step();
    return std::nullopt;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    const bool skipped = error.code() == ExitCode::kUnsupported;
    return Outcome{not_measured(config, skipped ? Status::kSkipped : Status::kFailed, error.what()),
                   error.code()};
  } catch (const std::bad_alloc&) {
    return Outcome{not_measured(config, Status::kFailed, "out of memory; a smaller --mem would do"),
                   ExitCode::kFailure};
  }
}

ExitCode code_of(const Record& record) {
  switch (record.status) {
    case Status::kFailed:
      return ExitCode::kVerification;
    case Status::kInterrupted:
      return ExitCode::kInterrupted;
    case Status::kSkipped:
    case Status::kOk:
      break;
  }
  return ExitCode::kOk;
}

/// One configuration among those that take turns: a measurement, until there is an outcome.
struct Turn {
  Turn(const Config& of, Workload data) : config(of), workload(std::move(data)) {}

  Config config;
  Workload workload;
  std::unique_ptr<Measurement> measurement;
  std::optional<Outcome> outcome;

  template <class Step>
  void attempt(Step&& step) {
    if (!measurement) return;
    outcome = failure_of(config, step);
    if (outcome) measurement.reset();
  }
  bool takes_part() const {
    return measurement && !measurement->has_failed() &&
           measurement->stopped() != StoppedBy::kTimeout;
  }
};

using Turns = std::deque<Turn>;  // measurements keep references to the workloads

Turns make_turns(std::span<const Config> configs,
                 const std::function<Workload(const Config&)>& workload_of,
                 const RunContext& context) {
  Turns turns;
  for (const Config& config : configs) {
    Turn& turn = turns.emplace_back(config, workload_of(config));
    turn.outcome = failure_of(config, [&] {
      turn.measurement = std::make_unique<Measurement>(config, turn.workload, context);
    });
  }
  return turns;
}

void check_memory_of(const Turns& turns) {
  std::set<const Inputs*> inputs;
  std::int64_t bytes = 0;
  for (const Turn& turn : turns) {
    if (!turn.measurement) continue;
    bytes += turn.measurement->bytes_to_take();
    if (inputs.insert(&turn.measurement->inputs()).second)
      bytes += turn.measurement->inputs().bytes_to_take();
  }
  try {
    check_memory(bytes);
  } catch (const ResourceError& error) {
    throw ResourceError(fmt::format(
        "--interleave holds all configurations at once: {}, and so would leaving --interleave out",
        error.what()));
  }
}

/// One iteration of each in turn, as long as one of them needs more: all have the same number.
void take_turns(Turns& turns, const RunContext& context) {
  const auto needs_more = [](const Turn& turn) {
    return turn.takes_part() && !turn.measurement->stopped();
  };
  while (std::any_of(turns.begin(), turns.end(), needs_more)) {
    double done = 1;
    for (Turn& turn : turns) {
      if (context.interrupted()) return;
      if (!turn.takes_part()) continue;
      turn.attempt([&] { turn.measurement->iterate(); });
      if (turn.takes_part()) done = std::min(done, turn.measurement->done_share());
    }
    context.progress.update(done);
  }
}

}  // namespace

Record not_measured(const Config& config, Status status, const std::string& reason) {
  Record record;
  record.config = config;
  record.status = status;
  record.reason = reason;
  return record;
}

Outcome measure(const Config& config, const Workload& workload, const RunContext& context) {
  Outcome outcome;
  const auto failure = failure_of(config, [&] {
    Measurement measurement(config, workload, context);
    check_memory(measurement.inputs().bytes_to_take() + measurement.bytes_to_take());
    measurement.set_up();
    context.progress.begin(Progress::Step::kMeasuring);
    while (!measurement.stopped() && !measurement.has_failed() && !context.interrupted()) {
      measurement.iterate();
      context.progress.update(measurement.done_share());
    }
    outcome.record = measurement.finish();
    outcome.code = code_of(outcome.record);
  });
  return failure ? *failure : outcome;
}

std::vector<Outcome> measure_interleaved(std::span<const Config> configs,
                                         const std::function<Workload(const Config&)>& workload_of,
                                         const RunContext& context) {
  Turns turns = make_turns(configs, workload_of, context);
  check_memory_of(turns);
  for (Turn& turn : turns) turn.attempt([&] { turn.measurement->set_up(); });
  context.progress.begin(Progress::Step::kMeasuring);
  take_turns(turns, context);

  std::vector<Outcome> outcomes;
  for (Turn& turn : turns) {
    turn.attempt([&] {
      Record record = turn.measurement->finish();
      const ExitCode code = code_of(record);
      outcomes.push_back({std::move(record), code});
    });
    if (turn.outcome) outcomes.push_back(*turn.outcome);
    turn.measurement.reset();  // its memory is not needed any more
  }
  return outcomes;
}

}  // namespace convscale
