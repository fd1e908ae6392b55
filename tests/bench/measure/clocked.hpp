// SPDX-License-Identifier: Apache-2.0
// Known times: a clock that stands still but for steps that are said to take some, so that what the
// program says of them can be told exactly on any machine.
#pragma once

#include "bench/measure/runner.hpp"
#include "bench/ranks/comm.hpp"
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
class ClockedComm final : public Comm {
 public:
  /// How long the calls take; a message, from its start to its arrival.
  struct Costs {
    nanoseconds barrier{0}, message{0}, scatter{0}, gather{0};
  };
  ClockedComm(Comm& comm, Costs costs) : comm_(comm), costs_(costs) {}

  Clock::time_point now() const override { return now_; }
  void pass(nanoseconds time) { now_ += time; }
  void reach(Clock::time_point time) { now_ = std::max(now_, time); }

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }
  std::string library() const override { return comm_.library(); }
  void barrier() override {
    all_gather("");
    pass(costs_.barrier);
  }
  std::vector<std::string> all_gather(const std::string& mine) override {
    constexpr std::size_t kDigits = 20;
    std::vector<std::string> all =
        comm_.all_gather(fmt::format("{:0{}}", now_.time_since_epoch().count(), kDigits) + mine);
    for (std::string& text : all) {
      reach(Clock::time_point(nanoseconds(std::stoll(text.substr(0, kDigits)))));
      text.erase(0, kDigits);
    }
    return all;
  }

  std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) override {
    auto stamped = std::make_unique<Stamped>();
    stamped->arrival = (now_ + costs_.message).time_since_epoch().count();
    stamped->parts[0] = comm_.send(stamped->stamp(), sizeof stamped->arrival, to);
    stamped->parts[1] = comm_.send(data, bytes, to);
    return stamped;
  }
  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    auto stamped = std::make_unique<Stamped>();
    stamped->receiver = this;
    stamped->parts[0] = comm_.receive(stamped->stamp(), sizeof stamped->arrival, from);
    stamped->parts[1] = comm_.receive(data, bytes, from);
    return stamped;
  }

  bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) override {
    pass(costs_.scatter);
    return comm_.scatter(all, blocks, mine);
  }
  bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) override {
    pass(costs_.gather);
    return comm_.gather(mine, blocks, all);
  }
  void abort(int exit_code) override { comm_.abort(exit_code); }

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

  Comm& comm_;
  const Costs costs_;
  Clock::time_point now_;
};

/// What a backend's steps take, and what it says of itself.
struct Steps {
  nanoseconds create{0}, prepare{0}, load{0}, ceilings{0}, poison{0}, start{0}, digest{0},
      collect{0};
  /// From the end of `start` on; iterations count from 0, burns included.
  std::function<nanoseconds(const Config&, int iteration)> compute = [](const Config&, int) {
    return nanoseconds(0);
  };
  Ceilings rates = {};
  std::vector<double> busy_s = {};
};

/// The results of `backend` in such times.
class ClockedBackend : public Backend {
 public:
  ClockedBackend(std::unique_ptr<Backend> backend, Config config, Steps steps, ClockedComm& comm)
      : backend_(std::move(backend)),
        config_(std::move(config)),
        steps_(std::move(steps)),
        comm_(comm) {
    comm_.pass(steps_.create);
  }

  BackendFacts facts() const override { return backend_->facts(); }
  std::int64_t scratch_bytes() const override { return backend_->scratch_bytes(); }
  std::optional<std::string> placement() const override { return backend_->placement(); }
  void prepare(const HostBuffers& buffers) override {
    backend_->prepare(buffers);
    comm_.pass(steps_.prepare);
  }
  void load() override {
    backend_->load();
    comm_.pass(steps_.load);
  }
  Ceilings measure_ceilings() override {
    comm_.pass(steps_.ceilings);
    return steps_.rates;
  }
  void poison() override {
    backend_->poison();
    comm_.pass(steps_.poison);
    ++iteration_;
  }
  void start(Range range) override {
    backend_->start(range);
    comm_.pass(steps_.start);
    done_at_ = std::max(done_at_, comm_.now()) + steps_.compute(config_, iteration_);
  }
  void wait(Range range) override {
    backend_->wait(range);
    comm_.reach(done_at_);
  }
  bool is_done(Range range) override { return backend_->is_done(range); }
  Digest digest() override {
    comm_.pass(steps_.digest);
    return backend_->digest();
  }
  void collect() override { comm_.pass(steps_.collect); }
  std::optional<Phases> phases() override {
    told_of_ = iteration_;
    return std::nullopt;
  }
  /// Of what phases() told of.
  std::vector<double> busy_s() const override {
    return told_of_ == iteration_ ? steps_.busy_s : std::vector<double>();
  }

 protected:
  /// The one under way, or the last one.
  int iteration() const { return iteration_; }

 private:
  std::unique_ptr<Backend> backend_;
  Config config_;
  Steps steps_;
  ClockedComm& comm_;
  Clock::time_point done_at_;
  int iteration_ = -1, told_of_ = -1;
};

/// `table` with all its backends in the times of `steps`, and by the CPU's arithmetic.
inline BackendTable clocked(BackendTable table, const Steps& steps, ClockedComm& comm) {
  const auto create = table.front().create;
  for (BackendEntry& entry : table) {
    entry.create = [steps, &comm, create](const Config& config) {
      Config on_host = config;
      on_host.backend = "cpu";
      on_host.kernel = "scalar";
      on_host.scope = Scope::kEndToEnd;
      return std::make_unique<ClockedBackend>(create(on_host), config, steps, comm);
    };
  }
  return table;
}

/// The records of `configs` by the clock of `comm`, measured in turn if `interleave`. `look` is
/// called wherever a generation or a verification looks whether there was a signal.
inline std::vector<Record> measured(
    const std::vector<Config>& configs, bool interleave, const BackendTable& table,
    ClockedComm& comm, const std::function<void()>& look = [] {}, bool saves = false) {
  Ranks ranks(comm, [] { return false; });
  ThreadTeam helpers(1);
  InputCache inputs;
  std::ostringstream terminal;
  Progress progress(terminal, false);
  const MeasureContext context{.backends = table,
                               .helpers = helpers,
                               .inputs = inputs,
                               .progress = progress,
                               .ranks = ranks,
                               .signalled =
                                   [&] {
                                     look();
                                     return false;
                                   },
                               .saves = saves,
                               .on_results = [](const Config&, Range, const HostBuffers&) {},
                               .now = [&comm] { return comm.now(); }};
  const auto workload_of = [](const Config& config) {
    return Workload(config.shape, config.fill, config.seed);
  };
  std::vector<convscale::Outcome> outcomes;
  if (interleave) {
    outcomes = measure_interleaved(configs, workload_of, context);
  } else {
    for (const Config& config : configs)
      outcomes.push_back(measure(config, workload_of(config), context));
  }
  std::vector<Record> records;
  for (const convscale::Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.record.reason;
    records.push_back(outcome.record);
  }
  return records;
}

}  // namespace convscale::testing
