// SPDX-License-Identifier: Apache-2.0
#include "bench/program.hpp"

#include "bench/interrupt.hpp"
#include "bench/options.hpp"
#include "bench/outputs.hpp"
#include "bench/progress.hpp"
#include "bench/runner.hpp"
#include "common/build_info.hpp"
#include "common/error.hpp"
#include "common/limits.hpp"
#include "common/report.hpp"
#include "common/thread_team.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iostream>
#include <memory>
#include <new>

namespace convscale {
namespace {

std::string version_text() {
  const BuildInfo build = build_info();
  return fmt::format("convscale {}{}\n{} build, {}, flags {}\n", build.version,
                     build.git.empty() ? "" : fmt::format(" (git {})", build.git), build.type,
                     build.compiler, build.flags);
}

std::string listing_text(const BackendTable& backends) {
  std::string text;
  const auto add = [&](const std::string& backend, const char* kind,
                       const std::vector<Listing>& listings) {
    for (const Listing& item : listings) {
      const std::string state =
          item.unsupported.empty() ? "supported" : "not supported: " + item.unsupported;
      text += fmt::format("{:<6} {:<7} {:<8} {}{}\n", backend, kind, item.name, state,
                          item.description.empty() ? "" : " (" + item.description + ")");
    }
  };
  for (const BackendEntry& entry : backends) {
    add(entry.name, "device", entry.devices());
    add(entry.name, "kernel", entry.kernels());
  }
  return text;
}

/// Threads for the work outside of the timed region: one for each processor that we may use.
int helper_count(const Topology& topology) {
  const double quota = std::ceil(cpu_quota().value_or(topology.threads()));
  return std::max(1, std::min(topology.threads(), static_cast<int>(quota)));
}

/// Where several codes apply, the one that a user must know of first.
ExitCode worse(ExitCode a, ExitCode b) {
  for (const ExitCode code :
       {ExitCode::kInterrupted, ExitCode::kVerification, ExitCode::kFailure}) {
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

class Run {
 public:
  Run(const std::vector<std::string>& args, Options options, const BackendTable& backends,
      std::ostream& out, std::ostream& err)
      : options_(std::move(options)), backends_(backends), err_(err), outputs_(options_, out, err) {
    const Topology topology;
    report_.argv = args;
    report_.started_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    report_.host = host_info(topology);
    helpers_ = std::make_unique<ThreadTeam>(helper_count(topology));
  }

  ExitCode run() {
    ExitCode worst = ExitCode::kOk;
    bool any_possible = false;
    for (const Config& config : options_.configs) {
      const ExitCode code = run_one(config);
      any_possible = any_possible || code != ExitCode::kUnsupported;
      worst = worse(worst, code);
      if (interrupted()) break;
    }
    report_.interrupted = interrupted();
    if (report_.interrupted) worst = ExitCode::kInterrupted;
    print();
    try {
      outputs_.write(report_);
    } catch (const ResourceError& error) {
      err_ << "convscale: " << error.what() << "\n";
      worst = worse(worst, ExitCode::kFailure);
    }
    return any_possible || worst != ExitCode::kOk ? worst : ExitCode::kUnsupported;
  }

 private:
  /// Measures one configuration; what goes wrong is part of its record.
  ExitCode run_one(const Config& config) {
    Progress progress(err_, options_.progress && &err_ == &std::cerr && isatty(STDERR_FILENO) != 0);
    const Workload workload(config.shape, config.fill, config.seed, options_.images,
                            options_.filters);
    std::string save_error;
    const auto save = [&](const Config& measured, const HostBuffers& buffers) {
      try {
        outputs_.save(measured, buffers);
      } catch (const ResourceError& error) {
        save_error = error.what();  // the measurement is not lost with it
      }
    };
    try {
      report_.records.push_back(measure(config, workload,
                                        {.backends = backends_,
                                         .helpers = *helpers_,
                                         .progress = progress,
                                         .interrupted = interrupted,
                                         .on_results = save}));
      const Record& record = report_.records.back();
      progress.clear();
      for (const std::string& message : {record.reason, save_error}) {
        if (!message.empty()) err_ << "convscale: " << message << "\n";
      }
      return worse(code_of(record), save_error.empty() ? ExitCode::kOk : ExitCode::kFailure);
    } catch (const Error& error) {
      if (error.code() == ExitCode::kUsage) throw;
      progress.clear();
      Record record;
      record.config = config;
      record.status = error.code() == ExitCode::kUnsupported ? Status::kSkipped : Status::kFailed;
      record.reason = error.what();
      report_.records.push_back(record);
      err_ << "convscale: " << error.what() << "\n";
      return error.code();
    }
  }

  void print() {
    std::ostream& text = outputs_.text();
    const bool any_ran = std::any_of(report_.records.begin(), report_.records.end(),
                                     [](const Record& r) { return r.summary.has_value(); });
    if (!any_ran) return;
    if (report_.records.size() == 1) text << original_lines(report_.records.front());
    if (!options_.quiet) text << "\n" << table_text(report_) << "\n";
    for (const Record& record : report_.records) text << verdict_lines(record);
    text.flush();
    for (const Record& record : report_.records) {
      for (const std::string& warning : record.warnings)
        err_ << "convscale: warning: " << warning << "\n";
    }
  }

  Options options_;
  const BackendTable& backends_;
  std::ostream& err_;
  Outputs outputs_;
  Report report_;
  std::unique_ptr<ThreadTeam> helpers_;
};

}  // namespace

int run_program(const std::vector<std::string>& args, const BackendTable& backends,
                std::ostream& out, std::ostream& err) {
  const auto fail = [&](ExitCode code, const std::string& message) {
    out.flush();
    err << "convscale: " << message << "\n";
    return static_cast<int>(code);
  };
  try {
    Options options = parse_options(args);
    if (options.answer || options.version || options.list) {
      out << (options.answer    ? *options.answer
              : options.version ? version_text()
                                : listing_text(backends))
          << std::flush;
      if (!out) throw ResourceError("cannot write standard output: it was closed or is full");
      return static_cast<int>(ExitCode::kOk);
    }
    return static_cast<int>(Run(args, std::move(options), backends, out, err).run());
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kFailure, "out of memory; a smaller --mem would do");
  } catch (const std::exception& error) {
    return fail(ExitCode::kFailure, error.what());
  }
}

}  // namespace convscale
