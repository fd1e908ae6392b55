// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/runner.hpp"

#include "bench/measure/memory_growth.hpp"
#include "common/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace convscale {
namespace {

/// Runs `step` and says how it ended; null if well. UsageError passes, and what is not an error of
/// all ranks.
template <class Step>
std::optional<Outcome> failure_of(const Config& config, const Ranks& ranks, Step&& step) {
  try {
    step();
    return std::nullopt;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    if (!ranks.is_alone() && !error.is_of_all_ranks()) throw;
    const bool skipped = error.code() == ExitCode::kUnsupported;
    return Outcome{not_measured(config, skipped ? Status::kSkipped : Status::kFailed, error.what()),
                   error.code()};
  } catch (const std::bad_alloc&) {
    if (!ranks.is_alone()) throw;
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
  Turn(Config of, Workload data) : config(std::move(of)), workload(std::move(data)) {}

  Config config;
  Workload workload;
  std::unique_ptr<Measurement> measurement;
  std::optional<Outcome> outcome;

  template <class Step>
  void attempt(const Ranks& ranks, Step&& step) {
    if (!measurement) return;
    outcome = failure_of(config, ranks, step);
    if (outcome) measurement.reset();
  }
  bool takes_part() const {
    return measurement && !measurement->has_failed() && !measurement->is_out_of_time();
  }
};

using Turns = std::deque<Turn>;  // measurements keep references to the workloads

Turns make_turns(std::span<const Config> configs,
                 const std::function<Workload(const Config&)>& workload_of,
                 const MeasureContext& context) {
  Turns turns;
  for (const Config& config : configs) {
    Turn& turn = turns.emplace_back(config, workload_of(config));
    turn.outcome = failure_of(config, context.ranks, [&] {
      turn.measurement = std::make_unique<Measurement>(config, turn.workload, context);
    });
  }
  return turns;
}

[[noreturn]] void reject_interleaving(const std::string& why) {
  throw ResourceError(fmt::format(
      "--interleave holds all configurations at once: {}; leaving --interleave out would do", why));
}

/// Whether this host has the memory that its ranks are about to take at the same time. Collective.
void check_memory_of_host(Ranks& ranks, std::int64_t bytes_of_mine, bool interleaved) {
  const std::int64_t of_host = ranks.sum_on_host(bytes_of_mine);
  ranks.agree([&] {
    try {
      check_memory(of_host);
      if (ranks.local_rank() == 0) grow_memory(of_host, [&] { return ranks.signalled(); });
    } catch (const ResourceError& error) {
      if (interleaved) reject_interleaving(error.what());
      throw;
    }
  });
}

/// Sums what all turns take before any of them takes it.
void check_memory_of(const Turns& turns, Ranks& ranks) {
  std::set<const Inputs*> inputs;
  std::int64_t bytes = 0;
  ranks.agree([&] {
    std::map<std::string, DeviceNeed> devices;
    for (const Turn& turn : turns) {
      if (!turn.measurement) continue;
      bytes += turn.measurement->bytes_to_take();
      if (inputs.insert(&turn.measurement->inputs()).second)
        bytes += turn.measurement->inputs().bytes_to_take();
      for (const DeviceNeed& need : turn.measurement->device_needs()) {
        DeviceNeed& sum = devices.try_emplace(need.device, DeviceNeed{need.device}).first->second;
        sum.bytes += need.bytes;
        sum.free_bytes = need.free_bytes;
      }
    }
    for (const auto& [device, sum] : devices) {
      if (sum.bytes <= sum.free_bytes) continue;
      constexpr double kMega = 1e-6;
      reject_interleaving(fmt::format("{} needs {:.1f} MB, {:.1f} MB are free", device,
                                      static_cast<double>(sum.bytes) * kMega,
                                      static_cast<double>(sum.free_bytes) * kMega));
    }
  });
  check_memory_of_host(ranks, bytes, /*interleaved=*/true);
}

/// One iteration of each in turn, as long as one of them needs more: all have the same number.
void take_turns(Turns& turns, const MeasureContext& context) {
  // The threads of the turn before look for work for 50 us, on the processors of this one.
  constexpr auto kUntilTheyRest = std::chrono::microseconds(100);
  const auto needs_more = [](const Turn& turn) {
    return turn.takes_part() && !turn.measurement->has_enough();
  };
  while (std::any_of(turns.begin(), turns.end(), needs_more)) {
    double done = 1;
    for (Turn& turn : turns) {
      if (context.ranks.is_interrupted()) return;
      if (!turn.takes_part()) continue;
      std::this_thread::sleep_for(kUntilTheyRest);
      turn.attempt(context.ranks, [&] { turn.measurement->iterate(); });
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

Outcome measure(const Config& config, const Workload& workload, const MeasureContext& context) {
  Outcome outcome;
  const auto failure = failure_of(config, context.ranks, [&] {
    Measurement measurement(config, workload, context);
    check_memory_of_host(context.ranks,
                         measurement.inputs().bytes_to_take() + measurement.bytes_to_take(),
                         /*interleaved=*/false);
    measurement.set_up();
    context.progress.begin(Progress::Step::kMeasuring);
    while (!measurement.has_enough() && !measurement.has_failed() &&
           !context.ranks.is_interrupted()) {
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
                                         const MeasureContext& context) {
  Turns turns = make_turns(configs, workload_of, context);
  const auto is_possible = [](const Turn& turn) { return turn.measurement != nullptr; };
  if (std::count_if(turns.begin(), turns.end(), is_possible) == 1)
    std::find_if(turns.begin(), turns.end(), is_possible)->measurement->run_alone();
  check_memory_of(turns, context.ranks);
  for (std::size_t i = 0; i < turns.size() && !context.ranks.is_interrupted(); ++i) {
    context.progress.begin_part(i, turns.size());
    turns[i].attempt(context.ranks, [&] { turns[i].measurement->set_up(); });
  }
  context.progress.begin_part(0, 1);
  context.progress.begin(Progress::Step::kMeasuring);
  if (!context.ranks.is_interrupted()) take_turns(turns, context);

  std::vector<Outcome> outcomes;
  for (Turn& turn : turns) {
    context.progress.begin_part(outcomes.size(), turns.size());
    turn.attempt(context.ranks, [&] {
      Record record = turn.measurement->finish();
      const ExitCode code = code_of(record);
      outcomes.push_back({std::move(record), code});
    });
    if (turn.outcome) outcomes.push_back(*turn.outcome);
    turn.measurement.reset();  // its memory is not needed any more
  }
  context.progress.begin_part(0, 1);
  return outcomes;
}

}  // namespace convscale
