// SPDX-License-Identifier: Apache-2.0
#include "bench/session.hpp"

#include "bench/cli/process.hpp"
#include "bench/measure/break_even_search.hpp"
#include "bench/measure/gather.hpp"
#include "bench/ranks/launcher.hpp"
#include "bench/report/report.hpp"
#include "common/limits.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iostream>

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
double work_of(const std::vector<Config>& configs) {
  double work = 0;
  for (const Config& c : configs) {
    const std::int64_t bytes = c.shape.images * c.shape.pixels() * size_of(c.dtype);
    work += static_cast<double>(bytes) * (c.burns + c.iterations);
  }
  return work;
}

std::vector<Row> planned(const Options& options, const BackendTable& backends, Ranks& ranks) {
  std::vector<Row> rows;
  ranks.agree([&] { rows = make_rows(options.configs, backends); });
  for (Row& row : rows) row.config.ranks = ranks.size();
  return rows;
}

std::vector<Config> possible(std::span<const Row> rows) {
  std::vector<Config> configs;
  for (const Row& row : rows) {
    if (row.impossible.empty()) configs.push_back(row.config);
  }
  return configs;
}

}  // namespace

Session::Session(const std::vector<std::string>& args, const Options& options,
                 const BackendTable& backends, Ranks& ranks, std::ostream& out, std::ostream& err)
    : options_(options),
      backends_(backends),
      ranks_(ranks),
      err_(err),
      rows_(planned(options, backends, ranks)),
      helpers_(std::max(1, usable_threads(topology_.threads()) / ranks.local_ranks())),
      progress_(err, options.progress && &err == &std::cerr && can_redraw(),
                work_of(possible(rows_))) {
  if (ranks.is_root()) forget_all();
  report_.argv = args;
  report_.started_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  report_.host = host_info(topology_);
  report_.mpi = built_with_mpi();
  report_.hosts = ranks.hosts();
  open_outputs(out);
}

ExitCode Session::run() {
  const auto began = ranks_.now();
  const auto workload_of = [this](const Config& c) {
    return Workload(c.shape, c.fill, c.seed, options_.images, options_.filters);
  };
  ExitCode worst = ExitCode::kOk;
  for (const std::span<const Row> rows : rows_at_once()) {
    if (ranks_.is_interrupted() && !report_.records.empty()) break;
    begin(rows);
    worst = worse(worst, add(rows, measure(possible(rows), workload_of, context())));
  }
  if (!ranks_.is_interrupted()) worst = worse(worst, measure_break_even(workload_of));
  if (!save_error_.empty()) {
    say(save_error_);
    worst = worse(worst, ExitCode::kFailure);
  }
  progress_.clear();
  report_.wall_s = ranks_.seconds_since(began);
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
  return of_root(ranks_, worst);
}

/// Rank 0 writes. With `--distribute local` the others write their parts of its arrays.
void Session::open_outputs(std::ostream& out) {
  const auto partial = gather(ranks_, [&] {
    outputs_.emplace(ranks_.is_root() ? options_ : Options(), out, err_);
    return outputs_->partial_arrays();
  });
  const bool in_parts =
      options_.save && rows_.front().config.distribute == Distribute::kLocal && !ranks_.is_root();
  ranks_.agree([&] {
    if (in_parts) outputs_->join_arrays(*options_.save, partial.front());
  });
}

/// All rows if they take turns, else one after the other.
std::vector<std::span<const Row>> Session::rows_at_once() const {
  const std::size_t count = is_list() && options_.interleave ? rows_.size() : 1;
  std::vector<std::span<const Row>> groups;
  for (std::size_t first = 0; first < rows_.size(); first += count)
    groups.emplace_back(rows_.data() + first, count);
  return groups;
}

void Session::begin(std::span<const Row> rows) {
  const std::vector<Config> configs = possible(rows);
  if (configs.empty()) return;
  std::string label;
  if (rows.size() > 1) {
    label = fmt::format("{} rows in turn", configs.size());
  } else if (is_list()) {
    const Config& config = configs.front();
    label = fmt::format("row {} of {} ({} {} {})", report_.records.size() + 1, rows_.size(),
                        config.backend, config.kernel, name_of(config.method));
  }
  progress_.begin_row(label, work_of(configs));
}

/// Makes what became of `rows` the next records, and says what went wrong.
ExitCode Session::add(std::span<const Row> rows, const std::vector<Outcome>& outcomes) {
  ExitCode worst = ExitCode::kOk;
  auto next = outcomes.begin();
  for (const Row& row : rows) {
    const auto [record, code] =
        row.impossible.empty() ? *next++
                               : Outcome{not_measured(row.config, Status::kSkipped, row.impossible),
                                         ExitCode::kUnsupported};
    const bool skipped = record.status == Status::kSkipped;
    if (skipped && row.impossible.empty() && rows.size() == 1) progress_.drop_row();
    report_.records.push_back(record);
    any_possible_ = any_possible_ || code != ExitCode::kUnsupported;
    // In a list, what was skipped is said below the table.
    if (!record.reason.empty() && !(is_list() && skipped))
      say((is_list() ? fmt::format("row {}: ", report_.records.size()) : "") + record.reason);
    worst = worse(worst, code);
  }
  return worst;
}

MeasureContext Session::context() {
  return {.backends = backends_,
          .helpers = helpers_,
          .inputs = inputs_,
          .progress = progress_,
          .peers = ranks_,
          .has_rows = any_ran(),
          .saves = options_.save.has_value(),
          .on_results = [this](const Config& config, Range held, const HostBuffers& buffers) {
            save(config, held, buffers);
          }};
}

void Session::save(const Config& config, Range held, const HostBuffers& buffers) {
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

ExitCode Session::measure_break_even(const WorkloadOf& workload_of) {
  ExitCode worst = ExitCode::kOk;
  const auto begin = ranks_.now();
  report_.break_even = find_break_even(report_.records, [&](const Config& config) {
    if (ranks_.is_interrupted()) return not_measured(config, Status::kInterrupted, "interrupted");
    progress_.begin_row("break-even", 0);
    const auto [record, code] = measure({&config, 1}, workload_of, context()).front();
    worst = worse(worst, code);
    if (record.status == Status::kFailed) say("break-even: " + record.reason);
    return record;
  });
  if (!report_.break_even.empty()) report_.break_even_s = ranks_.seconds_since(begin);
  return worst;
}

/// An interrupted row has said so itself.
void Session::say_where_it_ended() {
  const std::size_t measured = report_.records.size();
  if (std::ranges::count(report_.records, Status::kInterrupted, &Record::status) > 0) {
    if (measured < rows_.size())
      say(fmt::format("rows not begun: {} of {}", rows_.size() - measured, rows_.size()));
    return;
  }
  say(measured < rows_.size()
          ? fmt::format("interrupted by a signal before row {} of {}", measured + 1, rows_.size())
          : "interrupted by a signal after the last row");
}

void Session::print() {
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

}  // namespace convscale
