// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/measure.hpp"

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
#include <thread>
#include <utility>

namespace convscale {
namespace {

/// Runs `step` and says how it ended; null if well. Bad data (UsageError) are an option's fault,
/// and pass, unless there are rows that would be lost; so does what is not an error of all ranks.
template <class Step>
std::optional<Outcome> failure_of(const Config& config, const MeasureContext& context,
                                  Step&& step) {
  const bool alone = context.peers.is_alone();
  const auto failed = [&](Status status, const std::string& reason, ExitCode code) {
    return Outcome{not_measured(config, status, reason), code};
  };
  try {
    step();
    return std::nullopt;
  } catch (const Error& error) {
    if (!alone && !error.is_of_all_ranks()) throw;
    if (error.code() == ExitCode::kUsage && !context.has_rows) throw;
    const bool skipped = error.code() == ExitCode::kUnsupported;
    return failed(skipped ? Status::kSkipped : Status::kFailed, error.what(), error.code());
  } catch (const std::bad_alloc&) {
    if (!alone) throw;
    return failed(Status::kFailed, "out of memory; a smaller --mem would do", ExitCode::kFailure);
  }
}

ExitCode code_of(const Record& record) {
  if (record.status == Status::kFailed) return ExitCode::kVerification;
  return record.status == Status::kInterrupted ? ExitCode::kInterrupted : ExitCode::kOk;
}

/// One configuration among those that take turns: a measurement, until there is an outcome.
struct Turn {
  Config config;
  Workload workload;
  std::unique_ptr<Measurement> measurement;
  std::optional<Outcome> outcome;

  template <class Step>
  void attempt(const MeasureContext& context, Step&& step) {
    if (!measurement) return;
    outcome = failure_of(config, context, step);
    if (outcome) measurement.reset();
  }
  bool takes_part() const {
    return measurement && !measurement->has_failed() && !measurement->is_out_of_time();
  }
  bool needs_more() const { return takes_part() && !measurement->has_enough(); }
};

using Turns = std::deque<Turn>;  // measurements keep references to the workloads

Turns make_turns(std::span<const Config> configs, const WorkloadOf& workload_of,
                 const MeasureContext& context) {
  Turns turns;
  for (const Config& config : configs) {
    Turn& turn = turns.emplace_back(Turn{config, workload_of(config), nullptr, {}});
    turn.outcome = failure_of(config, context, [&] {
      turn.measurement = std::make_unique<Measurement>(config, turn.workload, context);
    });
  }
  return turns;
}

/// Takes what of a virtual machine's memory grows only when it is used.
void require_memory(const Peers& peers, std::int64_t bytes_of_host) {
  check_memory(bytes_of_host);
  if (peers.is_first_on_host()) grow_memory(bytes_of_host, [&] { return peers.signalled(); });
}

/// The host's memory that all turns take, before any of them takes it.
std::int64_t bytes_of(const Turns& turns) {
  std::set<const Inputs*> inputs;
  std::int64_t bytes = 0;
  for (const Turn& turn : turns) {
    if (!turn.measurement) continue;
    bytes += turn.measurement->bytes_to_take();
    if (inputs.insert(&turn.measurement->inputs()).second)
      bytes += turn.measurement->inputs().bytes_to_take();
  }
  return bytes;
}

/// Whether the devices have what all turns take together.
void check_memory_of_devices(const Turns& turns) {
  std::map<std::string, DeviceNeed> devices;
  for (const Turn& turn : turns) {
    if (!turn.measurement) continue;
    for (const DeviceNeed& need : turn.measurement->device_needs()) {
      DeviceNeed& sum = devices.try_emplace(need.device, DeviceNeed{need.device}).first->second;
      sum.bytes += need.bytes;
      sum.free_bytes = need.free_bytes;
    }
  }
  for (const auto& [device, sum] : devices) {
    if (sum.bytes <= sum.free_bytes) continue;
    constexpr double kMega = 1e-6;
    throw ResourceError(fmt::format("{} needs {:.1f} MB, {:.1f} MB are free", device,
                                    static_cast<double>(sum.bytes) * kMega,
                                    static_cast<double>(sum.free_bytes) * kMega));
  }
}

/// Collective. A single one finds out for itself what its device holds: it may go in parts.
void check_memory_of(Turns& turns, const MeasureContext& context) {
  Peers& peers = context.peers;
  const auto check = [&](const std::function<void(std::int64_t)>& check_here) {
    const std::int64_t of_host = peers.sum_on_host(bytes_of(turns));
    peers.agree([&] { check_here(of_host); });
  };
  if (turns.size() == 1) {
    return turns.front().attempt(
        context, [&] { check([&](std::int64_t of_host) { require_memory(peers, of_host); }); });
  }
  check([&](std::int64_t of_host) {
    try {
      check_memory_of_devices(turns);
      require_memory(peers, of_host);
    } catch (const ResourceError& error) {
      throw ResourceError(
          fmt::format("--interleave holds all configurations at once: {}; leaving --interleave out "
                      "would do",
                      error.what()));
    }
  });
}

/// One iteration of each in turn, as long as one of them needs more: all have the same number.
void take_turns(Turns& turns, const MeasureContext& context) {
  // The threads of the turn before look for work for 50 us, on the processors of this one.
  constexpr auto kUntilTheyRest = std::chrono::microseconds(100);
  if (std::ranges::any_of(turns, &Turn::takes_part))
    context.progress.begin(Progress::Step::kMeasuring);
  while (std::ranges::any_of(turns, &Turn::needs_more)) {
    double done = 1;
    for (Turn& turn : turns) {
      if (context.peers.is_interrupted()) return;
      if (!turn.takes_part()) continue;
      if (turns.size() > 1) std::this_thread::sleep_for(kUntilTheyRest);
      turn.attempt(context, [&] { turn.measurement->iterate(); });
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

std::vector<Outcome> measure(std::span<const Config> configs, const WorkloadOf& workload_of,
                             const MeasureContext& context) {
  if (configs.empty()) return {};
  Turns turns = make_turns(configs, workload_of, context);
  const auto is_possible = [](const Turn& turn) { return turn.measurement != nullptr; };
  if (std::count_if(turns.begin(), turns.end(), is_possible) == 1)
    std::find_if(turns.begin(), turns.end(), is_possible)->measurement->run_alone();
  check_memory_of(turns, context);
  for (std::size_t i = 0; i < turns.size() && !context.peers.is_interrupted(); ++i) {
    context.progress.begin_part(i, turns.size());
    turns[i].attempt(context, [&] { turns[i].measurement->set_up(); });
  }
  context.progress.begin_part(0, 1);
  if (!context.peers.is_interrupted()) take_turns(turns, context);

  std::vector<Outcome> outcomes;
  for (Turn& turn : turns) {
    context.progress.begin_part(outcomes.size(), turns.size());
    turn.attempt(context, [&] {
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
