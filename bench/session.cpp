// SPDX-License-Identifier: Apache-2.0
#include "bench/session.hpp"

#include "bench/cli/process.hpp"
#include "bench/cli/progress.hpp"
#include "bench/measure/break_even_search.hpp"
#include "bench/measure/runner.hpp"
#include "bench/ranks/launcher.hpp"
#include "bench/report/output_set.hpp"
#include "bench/report/report.hpp"
#include "common/limits.hpp"
#include "common/thread_team.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <optional>
#include <sstream>
#include <utility>

namespace convscale {
namespace {

/// Where several codes apply, the one that a user must know of first.
ExitCode worse(ExitCode a, ExitCode b) {
  for (const ExitCode code :
       {ExitCode::kInterrupted, ExitCode::kVerification, ExitCode::kFailure, ExitCode::kUsage}) {
    if (a == code || b == code) return code;
  }
  return a;
}

bool has_verdict(const Record& record) {
  return record.summary || record.status == Status::kInterrupted ||
         record.verification.status == VerificationStatus::kFailed;
}

/// What a row costs, for the progress bar: the pixels that go through it.
double work_of(const Config& config) {
  return static_cast<double>(config.shape.images * config.shape.pixels() * size_of(config.dtype)) *
         (config.burns + config.iterations);
}

double work_of(const std::vector<Row>& rows) {
  double work = 0;
  for (const Row& row : rows) work += row.impossible.empty() ? work_of(row.config) : 0;
  return work;
}

class Run {
 public:
  Run(const std::vector<std::string>& args, const Options& options, const std::vector<Row>& rows,
      const BackendTable& backends, Ranks& ranks, std::ostream& out, std::ostream& err)
      : options_(options),
        rows_(rows),
        backends_(backends),
        ranks_(ranks),
        err_(err),
        helpers_(std::max(1, usable_threads(topology_.threads()) / ranks.local_ranks())),
        progress_(err, options.progress && &err == &std::cerr && can_redraw(), work_of(rows)) {
    if (ranks.is_root()) forget_all();
    report_.argv = args;
    report_.started_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    report_.host = host_info(topology_);
    report_.mpi = built_with_mpi();
    report_.hosts = ranks.hosts();
    open_outputs(out);
  }

  ExitCode run() {
    const auto begin = ranks_.comm().now();
    ExitCode worst = is_list() && options_.interleave ? run_interleaved() : run_in_order();
    if (!ranks_.is_interrupted()) worst = worse(worst, measure_break_even());
    if (!save_error_.empty()) {
      say(save_error_);
      worst = worse(worst, ExitCode::kFailure);
    }
    progress_.clear();
    report_.wall_s = std::chrono::duration<double>(ranks_.comm().now() - begin).count();
    report_.interrupted = ranks_.is_interrupted();
    if (report_.interrupted) {
      worst = ExitCode::kInterrupted;
      say_where_it_ended();
    }
    print();
    try {
      outputs_->write(report_);
      if (ranks_.is_root()) forget_all();  // the last words need not say it
    } catch (const ResourceError& error) {
      say(error.what());
      worst = worse(worst, ExitCode::kFailure);
    }
    if (worst == ExitCode::kOk && !any_possible_) worst = ExitCode::kUnsupported;
    return static_cast<ExitCode>(ranks_.of_root(static_cast<std::int64_t>(worst)));
  }

 private:
  bool is_list() const { return rows_.size() > 1; }
  void say(const std::string& message) { err_ << "convscale: " + message + "\n"; }

  /// Rank 0 writes. With `--distribute local` the others write their parts of its arrays.
  void open_outputs(std::ostream& out) {
    const auto partial = ranks_.collect([&] {
      outputs_.emplace(ranks_.is_root() ? options_ : Options(), out, err_);
      return fmt::format("{}", fmt::join(outputs_->partial_arrays(), "\n"));
    });
    const bool in_parts =
        options_.save && rows_.front().config.distribute == Distribute::kLocal && !ranks_.is_root();
    ranks_.agree([&] {
      std::vector<std::string> names;
      std::istringstream lines(partial.front());
      for (std::string name; std::getline(lines, name);) names.push_back(name);
      if (in_parts) outputs_->join_arrays(*options_.save, names);
    });
  }

  ExitCode run_in_order() {
    ExitCode worst = ExitCode::kOk;
    for (std::size_t i = 0; i < rows_.size() && (i == 0 || !ranks_.is_interrupted()); ++i) {
      const Config& config = rows_[i].config;
      std::string label;
      if (is_list()) {
        label = fmt::format("row {} of {} ({} {} {})", i + 1, rows_.size(), config.backend,
                            config.kernel, name_of(config.method));
      }
      const auto outcome = rows_[i].impossible.empty() ? attempt(config, label, work_of(config))
                                                       : impossible(rows_[i]);
      if (outcome.record.status == Status::kSkipped && rows_[i].impossible.empty())
        progress_.drop_row();
      worst = worse(worst, add(outcome));
    }
    return worst;
  }

  ExitCode run_interleaved() {
    std::vector<Config> configs;
    for (const Row& row : rows_) {
      if (row.impossible.empty()) configs.push_back(row.config);
    }
    progress_.begin_row(fmt::format("{} rows in turn", configs.size()), work_of(rows_));
    std::vector<Outcome> outcomes = measure_interleaved(
        configs, [&](const Config& c) { return workload_of(c); }, context());
    ExitCode worst = ExitCode::kOk;
    auto next = outcomes.begin();
    for (const Row& row : rows_)
      worst = worse(worst, add(row.impossible.empty() ? *next++ : impossible(row)));
    return worst;
  }

  static Outcome impossible(const Row& row) {
    return {not_measured(row.config, Status::kSkipped, row.impossible), ExitCode::kUnsupported};
  }

  /// Makes an outcome the next row, and says what went wrong.
  ExitCode add(const Outcome& outcome) {
    const auto& [record, code] = outcome;
    report_.records.push_back(record);
    any_possible_ = any_possible_ || code != ExitCode::kUnsupported;
    // In a list, what was skipped is said below the table.
    if (!record.reason.empty() && !(is_list() && record.status == Status::kSkipped)) {
      say((is_list() ? fmt::format("row {}: ", report_.records.size()) : "") + record.reason);
    }
    return code;
  }

  Workload workload_of(const Config& config) const {
    return {config.shape, config.fill, config.seed, options_.images, options_.filters};
  }

  MeasureContext context() {
    return {.backends = backends_,
            .helpers = helpers_,
            .inputs = inputs_,
            .progress = progress_,
            .ranks = ranks_,
            .signalled = [this] { return ranks_.signalled(); },
            .saves = options_.save.has_value(),
            .on_results = [this](const Config& config, Range held,
                                 const HostBuffers& buffers) { save(config, held, buffers); },
            .now = [this] { return ranks_.comm().now(); }};
  }

  void save(const Config& config, Range held, const HostBuffers& buffers) {
    try {
      ranks_.agree(
          [&] { outputs_->save(config, held, buffers, [this] { return ranks_.signalled(); }); });
      // Rank 0 gives the files their names when all others have closed them.
      for (const bool root : {false, true}) {
        ranks_.agree([&] {
          if (ranks_.is_root() == root) outputs_->commit_arrays();
        });
      }
    } catch (const CommError&) {
      throw;
    } catch (const ResourceError& error) {
      save_error_ = error.what();  // the measurement is not lost with it
    }
  }

  /// Measures one configuration.
  Outcome attempt(const Config& config, const std::string& label, double work) {
    progress_.begin_row(label, work);
    try {
      return measure(config, workload_of(config), context());
    } catch (const UsageError& error) {
      // Bad data are an option's fault, unless there are rows that would be lost.
      if (!any_ran()) throw;
      return {not_measured(config, Status::kFailed, error.what()), error.code()};
    }
  }

  ExitCode measure_break_even() {
    ExitCode worst = ExitCode::kOk;
    const auto begin = ranks_.comm().now();
    report_.break_even = find_break_even(report_.records, [&](const Config& config) {
      if (ranks_.is_interrupted()) return not_measured(config, Status::kInterrupted, "interrupted");
      auto [record, code] = attempt(config, "break-even", 0);
      worst = worse(worst, code);
      if (record.status == Status::kFailed) say("break-even: " + record.reason);
      return record;
    });
    if (!report_.break_even.empty()) {
      report_.break_even_s = std::chrono::duration<double>(ranks_.comm().now() - begin).count();
    }
    return worst;
  }

  /// An interrupted row has said so itself.
  void say_where_it_ended() {
    const std::size_t measured = report_.records.size();
    if (std::any_of(report_.records.begin(), report_.records.end(),
                    [](const Record& r) { return r.status == Status::kInterrupted; })) {
      if (measured < rows_.size())
        say(fmt::format("rows not begun: {} of {}", rows_.size() - measured, rows_.size()));
      return;
    }
    say(measured < rows_.size()
            ? fmt::format("interrupted by a signal before row {} of {}", measured + 1, rows_.size())
            : "interrupted by a signal after the last row");
  }

  bool any_ran() const {
    return std::any_of(report_.records.begin(), report_.records.end(),
                       [](const Record& r) { return r.summary.has_value(); });
  }

  void print() {
    std::ostream& text = outputs_->text();
    const bool with_table = any_ran() && !options_.quiet;
    if (any_ran()) {
      if (!is_list()) text << original_lines(report_.records.front(), options_.iteration_lines);
      if (with_table) text << (is_list() ? "" : "\n") << table_text(report_) << "\n";
      for (std::size_t i = 0; i < report_.records.size(); ++i) {
        const Record& record = report_.records[i];
        const std::size_t row = is_list() ? i + 1 : 0;
        if (is_list() && options_.iteration_lines) text << iteration_lines(record, row);
        if (has_verdict(record)) text << verdict_lines(record, row);
      }
      text.flush();
    }
    Remarks remarks;
    for (std::size_t i = 0; i < report_.records.size(); ++i) {
      const Record& record = report_.records[i];
      if (is_list() && !with_table && record.status == Status::kSkipped)
        add_remark(remarks, record.reason, i + 1);
      for (const std::string& warning : record.warnings)
        add_remark(remarks, "warning: " + warning, i + 1);
    }
    for (const auto& [remark, rows] : remarks)
      say(remark + (is_list() ? fmt::format(" ({})", rows_label(rows)) : ""));
  }

  const Options& options_;
  const std::vector<Row>& rows_;
  const BackendTable& backends_;
  Ranks& ranks_;
  std::ostream& err_;
  std::optional<OutputSet> outputs_;
  Report report_;
  const Topology topology_;
  ThreadTeam helpers_;
  InputCache inputs_;
  Progress progress_;
  bool any_possible_ = false;
  std::string save_error_;
};

}  // namespace

ExitCode run_rows(const std::vector<std::string>& args, const Options& options,
                  const std::vector<Row>& rows, const BackendTable& backends, Ranks& ranks,
                  std::ostream& out, std::ostream& err) {
  return Run(args, options, rows, backends, ranks, out, err).run();
}

}  // namespace convscale
