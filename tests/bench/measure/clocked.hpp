// SPDX-License-Identifier: Apache-2.0
// Known times: a clock that stands still but for steps that are said to take some, so that what the
// program says of them can be told exactly on any machine.
#pragma once

#include "bench/backend_around.hpp"
#include "bench/measure/measure.hpp"
#include "bench/ranks/ranks.hpp"
#include "bench/ranks/thread_comm.hpp"
#include "common/backend.hpp"
#include "common/thread_team.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace convscale::testing {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// A process with such a clock. Where processes meet, and where one gets what another sent, the
/// later of their clocks is the time of both.
class ClockedComm final : public CommAround {
 public:
  /// How long the calls take; a message, from its start to its arrival.
  struct Costs {
    nanoseconds barrier{0}, message{0}, scatter{0}, gather{0};
  };
  ClockedComm(Comm& comm, Costs costs) : CommAround(comm), costs_(costs) {}

  Clock::time_point now() const override { return now_; }
  void pass(nanoseconds time) { now_ += time; }
  void reach(Clock::time_point time) { now_ = std::max(now_, time); }

  void barrier() override {
    all_gather("");
    pass(costs_.barrier);
  }
  std::vector<std::string> all_gather(const std::string& mine) override {
    constexpr std::size_t kDigits = 20;
    std::vector<std::string> all = CommAround::all_gather(
        fmt::format("{:0{}}", now_.time_since_epoch().count(), kDigits) + mine);
    for (std::string& text : all) {
      reach(Clock::time_point(nanoseconds(std::stoll(text.substr(0, kDigits)))));
      text.erase(0, kDigits);
    }
    return all;
  }

  std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) override {
    auto stamped = std::make_unique<Stamped>();
    stamped->arrival = (now_ + costs_.message).time_since_epoch().count();
    stamped->parts[0] = CommAround::send(stamped->stamp(), sizeof stamped->arrival, to);
    stamped->parts[1] = CommAround::send(data, bytes, to);
    return stamped;
  }
  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    auto stamped = std::make_unique<Stamped>();
    stamped->receiver = this;
    stamped->parts[0] = CommAround::receive(stamped->stamp(), sizeof stamped->arrival, from);
    stamped->parts[1] = CommAround::receive(data, bytes, from);
    return stamped;
  }

  bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) override {
    pass(costs_.scatter);
    return CommAround::scatter(all, blocks, mine);
  }
  bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) override {
    pass(costs_.gather);
    return CommAround::gather(mine, blocks, all);
  }

 private:
  struct Stamped final : Message {
    bool is_done() override {
      if (!parts[0]->is_done() || !parts[1]->is_done()) return false;
      if (receiver != nullptr) receiver->reach(Clock::time_point(nanoseconds(arrival)));
      return true;
    }
    std::byte* stamp() { return reinterpret_cast<std::byte*>(&arrival); }

    ClockedComm* receiver = nullptr;
    std::int64_t arrival = 0;
    std::unique_ptr<Message> parts[2];
  };

  const Costs costs_;
  Clock::time_point now_;
};

/// What a backend's steps take, and what it says of itself.
struct Steps {
  nanoseconds create{0}, prepare{0}, load{0}, ceilings{0}, poison{0}, start{0}, inspect{0},
      finish{0};
  /// From the end of `start` on; iterations count from 0, burns included.
  std::function<nanoseconds(const Config&, int iteration)> compute = [](const Config&, int) {
    return nanoseconds(0);
  };
  Ceilings rates = {};
  std::vector<double> busy_s = {};
};

/// The results of `backend` in such times.
class ClockedBackend : public BackendAround {
 public:
  ClockedBackend(std::unique_ptr<Backend> backend, Config config, Steps steps, ClockedComm& comm)
      : BackendAround(std::move(backend)),
        config_(std::move(config)),
        steps_(std::move(steps)),
        comm_(comm) {
    comm_.pass(steps_.create);
    if (config_.backend == "cuda") facts_.device = "a device";
  }

  void prepare(const HostBuffers& buffers) override {
    BackendAround::prepare(buffers);
    comm_.pass(steps_.prepare);
  }
  void load() override {
    BackendAround::load();
    comm_.pass(steps_.load);
  }
  Ceilings measure_ceilings() override {
    comm_.pass(steps_.ceilings);
    return steps_.rates;
  }
  void poison() override {
    BackendAround::poison();
    comm_.pass(steps_.poison);
    ++iteration_;
  }
  Ticket start(Range images) override {
    const Ticket ticket = BackendAround::start(images);
    comm_.pass(steps_.start);
    done_at_ = std::max(done_at_, comm_.now()) + steps_.compute(config_, iteration_);
    return ticket;
  }
  void wait(Ticket ticket) override {
    BackendAround::wait(ticket);
    comm_.reach(done_at_);
  }
  Trace inspect(bool with_times) override {
    comm_.pass(steps_.inspect);
    return {.digest = BackendAround::inspect(with_times).digest, .busy_s = steps_.busy_s};
  }
  BackendFacts finish() override {
    comm_.pass(steps_.finish);
    return facts();
  }

 protected:
  /// The one under way, or the last one.
  int iteration() const { return iteration_; }

 private:
  Config config_;
  Steps steps_;
  ClockedComm& comm_;
  Clock::time_point done_at_;
  int iteration_ = -1;
};

/// Makes `Clocked`, a ClockedBackend, for every configuration, by the CPU's arithmetic.
template <class Clocked = ClockedBackend>
auto make_clocked(const Steps& steps, ClockedComm& comm) {
  return [steps, &comm, create = backends().front().create](const Config& config,
                                                            Assignment assignment) {
    Config on_host = config;
    on_host.backend = "cpu";
    on_host.kernel = "scalar";
    on_host.scope = Scope::kEndToEnd;
    assignment.stop = [] { return false; };  // workers do not look at the clock
    return std::make_unique<Clocked>(create(on_host, assignment), config, steps, comm);
  };
}

/// `table` with all its backends in the times of `steps`.
inline BackendTable clocked(BackendTable table, const Steps& steps, ClockedComm& comm) {
  for (BackendEntry& entry : table) entry.create = make_clocked(steps, comm);
  return table;
}

/// What became of `configs` with `ranks`, measured in turn if `interleave`.
inline std::vector<convscale::Outcome> outcomes_of(
    const std::vector<Config>& configs, const BackendTable& table, Ranks& ranks,
    bool interleave = false, bool saves = false,
    const std::function<void(const Config&, Range, const HostBuffers&)>& on_results =
        [](auto&&...) {}) {
  ThreadTeam helpers(1);
  InputCache inputs;
  std::ostringstream terminal;
  Progress progress(terminal, false);
  const MeasureContext context{.backends = table,
                               .helpers = helpers,
                               .inputs = inputs,
                               .progress = progress,
                               .peers = ranks,
                               .saves = saves,
                               .on_results = on_results};
  const auto workload_of = [](const Config& config) {
    return Workload(config.shape, config.fill, config.seed);
  };
  if (interleave) return measure(configs, workload_of, context);
  std::vector<convscale::Outcome> outcomes;
  for (const Config& config : configs)
    outcomes.push_back(measure({&config, 1}, workload_of, context).front());
  return outcomes;
}

/// The records of `configs` by the clock of `comm`, all of them right. `look` is called wherever a
/// generation or a verification looks whether there was a signal.
inline std::vector<Record> measured(
    const std::vector<Config>& configs, bool interleave, const BackendTable& table,
    ClockedComm& comm, const std::function<void()>& look = [] {}, bool saves = false) {
  struct NeverInterrupted final : Ranks {
    using Ranks::Ranks;
    bool is_interrupted() const override { return false; }
  };
  NeverInterrupted ranks(comm, [&] {
    look();
    return false;
  });
  std::vector<Record> records;
  for (const auto& outcome : outcomes_of(configs, table, ranks, interleave, saves)) {
    EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.record.reason;
    records.push_back(outcome.record);
  }
  return records;
}

}  // namespace convscale::testing
