// SPDX-License-Identifier: Apache-2.0
#include "bench/run.hpp"

#include "bench/crossover.hpp"
#include "bench/interrupt.hpp"
#include "bench/outputs.hpp"
#include "bench/progress.hpp"
#include "bench/runner.hpp"
#include "common/limits.hpp"
#include "common/report.hpp"
#include "common/thread_team.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <new>
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

bool has_verdict(const Record& record) {
  return record.summary || record.verification.status == VerificationStatus::kFailed;
}

Record not_measured(const Config& config, Status status, const std::string& reason) {
  Record record;
  record.config = config;
  record.status = status;
  record.reason = reason;
  return record;
}

using OnResults = std::function<void(const Config&, const HostBuffers&)>;

struct Outcome {
  Record record;
  ExitCode code = ExitCode::kOk;
};

class Run {
 public:
  Run(const std::vector<std::string>& args, const Options& options, const std::vector<Row>& rows,
      const BackendTable& backends, std::ostream& out, std::ostream& err)
      : options_(options),
        rows_(rows),
        backends_(backends),
        err_(err),
        outputs_(options, out, err),
        helpers_(usable_threads(topology_.threads())) {
    report_.argv = args;
    report_.started_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    report_.host = host_info(topology_);
  }

  ExitCode run() {
    ExitCode worst = ExitCode::kOk;
    bool any_possible = false;
    for (std::size_t i = 0; i < rows_.size() && (i == 0 || !interrupted()); ++i) {
      const ExitCode code = run_row(i);
      any_possible = any_possible || code != ExitCode::kUnsupported;
      worst = worse(worst, code);
    }
    if (!interrupted()) worst = worse(worst, measure_break_even());
    report_.interrupted = interrupted();
    if (report_.interrupted) worst = ExitCode::kInterrupted;
    print();
    try {
      outputs_.write(report_);
    } catch (const ResourceError& error) {
      say(error.what());
      worst = worse(worst, ExitCode::kFailure);
    }
    return any_possible || worst != ExitCode::kOk ? worst : ExitCode::kUnsupported;
  }

 private:
  bool is_list() const { return rows_.size() > 1; }
  void say(const std::string& message) { err_ << "convscale: " << message << "\n"; }

  ExitCode run_row(std::size_t index) {
    const auto& [config, impossible] = rows_[index];
    if (!impossible.empty()) {
      report_.records.push_back(not_measured(config, Status::kSkipped, impossible));
      return ExitCode::kUnsupported;
    }
    std::string save_error;
    const auto save = [&](const Config& measured, const HostBuffers& buffers) {
      try {
        outputs_.save(measured, buffers);
      } catch (const ResourceError& error) {
        save_error = error.what();  // the measurement is not lost with it
      }
    };
    const std::string label = is_list() ? fmt::format("row {} of {}", index + 1, rows_.size()) : "";
    const auto [record, code] = attempt(config, label, save);
    report_.records.push_back(record);
    // In a list, what was skipped is said below the table.
    if (!record.reason.empty() && !(is_list() && record.status == Status::kSkipped))
      say((is_list() ? fmt::format("row {}: ", index + 1) : "") + record.reason);
    if (!save_error.empty()) say(save_error);
    return save_error.empty() ? code : worse(code, ExitCode::kFailure);
  }

  /// Measures one configuration; what goes wrong is part of its record.
  Outcome attempt(const Config& config, const std::string& label, const OnResults& on_results) {
    Progress progress(err_, options_.progress && &err_ == &std::cerr && isatty(STDERR_FILENO) != 0,
                      label);
    const Workload workload(config.shape, config.fill, config.seed, options_.images,
                            options_.filters);
    try {
      Record record = measure(config, workload,
                              {.backends = backends_,
                               .helpers = helpers_,
                               .progress = progress,
                               .interrupted = interrupted,
                               .on_results = on_results});
      const ExitCode code = code_of(record);
      return {std::move(record), code};
    } catch (const Error& error) {
      // Bad data are an option's fault, unless there are rows that would be lost.
      if (error.code() == ExitCode::kUsage && !any_ran()) throw;
      const bool skipped = error.code() == ExitCode::kUnsupported;
      return {not_measured(config, skipped ? Status::kSkipped : Status::kFailed, error.what()),
              error.code()};
    } catch (const std::bad_alloc&) {
      return {not_measured(config, Status::kFailed, "out of memory; a smaller --mem would do"),
              ExitCode::kFailure};
    }
  }

  ExitCode measure_break_even() {
    ExitCode worst = ExitCode::kOk;
    report_.break_even = find_break_even(report_.records, [&](const Config& config) {
      if (interrupted()) return not_measured(config, Status::kInterrupted, "interrupted");
      auto [record, code] = attempt(config, "break-even", [](const Config&, const HostBuffers&) {});
      worst = worse(worst, code);
      if (record.status == Status::kFailed) say("break-even: " + record.reason);
      return record;
    });
    return worst;
  }

  bool any_ran() const {
    return std::any_of(report_.records.begin(), report_.records.end(),
                       [](const Record& r) { return r.summary.has_value(); });
  }

  void print() {
    std::ostream& text = outputs_.text();
    const bool with_table = any_ran() && !options_.quiet;
    if (any_ran()) {
      if (!is_list()) text << original_lines(report_.records.front());
      if (with_table) text << "\n" << table_text(report_) << "\n";
      for (const Record& record : report_.records) {
        if (has_verdict(record)) text << verdict_lines(record);
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
  std::ostream& err_;
  Outputs outputs_;
  Report report_;
  const Topology topology_;
  ThreadTeam helpers_;
};

}  // namespace

ExitCode run_rows(const std::vector<std::string>& args, const Options& options,
                  const std::vector<Row>& rows, const BackendTable& backends, std::ostream& out,
                  std::ostream& err) {
  return Run(args, options, rows, backends, out, err).run();
}

}  // namespace convscale
