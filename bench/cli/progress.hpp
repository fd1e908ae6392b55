// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <ostream>
#include <string>

namespace convscale {

/// One line on a terminal that says what is going on, how much of the whole run is done and how
/// long the rest will take; nothing where it is switched off. It is drawn between the timed regions
/// only, and erased at the end.
class Progress {
 public:
  /// What a row goes through.
  enum class Step { kGenerating, kMeasuring, kVerifying };

  /// `work` is that of all rows, in any unit.
  Progress(std::ostream& terminal, bool enabled, double work = 1)
      : terminal_(terminal), enabled_(enabled), total_work_(work) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Begins the next row, which is `work` of the total; `label` says which, such as "row 2 of 6
  /// (cpu auto full)". A row of no work is one more that the total does not know, and has no bar.
  void begin_row(std::string label, double work = 1);
  /// The row is not measured after all: its work is not part of the whole.
  void drop_row();
  /// The steps that follow are part `index` of `count` of the row's, as several rows take turns.
  void begin_part(std::size_t index, std::size_t count);
  void begin(Step step);
  /// The share of the step that is done, 0..1. May be called from any thread and often: it redraws
  /// ten times a second at most.
  void update(double done);
  /// Erases the line.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void advance(double done);
  void draw(Clock::time_point now);

  std::ostream& terminal_;
  const bool enabled_;
  double total_work_;
  const Clock::time_point began_ = Clock::now();
  std::mutex mutex_;
  std::string label_;
  Step step_ = Step::kGenerating;
  double done_work_ = 0;  // of the rows before this one
  double row_work_ = 0;
  double row_share_ = 0;  // of this row, 0..1
  double part_ = 0, parts_ = 1;
  Clock::time_point drawn_;
  bool visible_ = false;
};

/// Whether standard error is a terminal on which a line can be drawn again: not a dumb one (TERM).
bool can_redraw();

/// The line: as much of it as fits into `columns`. `label` may be empty; what it has in parentheses
/// goes first. `done` is 0..1, `left` is how long the rest takes, or empty.
std::string progress_line(const std::string& label, const std::string& step, double done,
                          const std::string& left, std::size_t columns);

/// "12 s", "3 min 20 s", "1 h 05 min".
std::string format_duration(double seconds);

}  // namespace convscale
