// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/cli/options.hpp"
#include "bench/cli/progress.hpp"
#include "bench/cli/rows.hpp"
#include "bench/measure/input_cache.hpp"
#include "bench/measure/measure.hpp"
#include "bench/ranks/ranks.hpp"
#include "bench/report/output_set.hpp"
#include "bench/report/record.hpp"
#include "common/error.hpp"
#include "common/thread_team.hpp"
#include "common/topology.hpp"

#include <algorithm>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace convscale {

/// One command: measures its rows in their order, and when a GPU pays, if they tell; prints, and
/// writes the files that the options name. A row that cannot run, or fails, does not stop those
/// behind it. All is collective; rank 0 alone prints and writes.
class Session {
 public:
  /// Opens all outputs. Keeps references. Throws UsageError for rows that cannot be, and
  /// ResourceError where an output cannot be written.
  Session(const std::vector<std::string>& args, const Options& options,
          const BackendTable& backends, Ranks& ranks, std::ostream& out, std::ostream& err);

  /// Throws UsageError where the data cannot be used and nothing has run yet.
  ExitCode run();

 private:
  bool is_list() const { return rows_.size() > 1; }
  bool any_ran() const {
    return std::ranges::any_of(report_.records, [](const Record& r) { return !!r.summary; });
  }
  void say(const std::string& message) { err_ << "convscale: " + message + "\n"; }
  void open_outputs(std::ostream& out);
  std::vector<std::span<const Row>> rows_at_once() const;
  void begin(std::span<const Row> rows);
  ExitCode add(std::span<const Row> rows, const std::vector<Outcome>& outcomes);
  MeasureContext context();
  void save(const Config& config, Range held, const HostBuffers& buffers);
  ExitCode measure_break_even(const WorkloadOf& workload_of);
  void say_where_it_ended();
  void print();

  const Options& options_;
  const BackendTable& backends_;
  Ranks& ranks_;
  std::ostream& err_;
  const std::vector<Row> rows_;
  std::optional<OutputSet> outputs_;
  Report report_;
  const Topology topology_;
  ThreadTeam helpers_;
  InputCache inputs_;
  Progress progress_;
  bool any_possible_ = false;
  std::string save_error_;
};

}  // namespace convscale
