// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace convscale {

/// One line on a terminal that says what is going on and how long it will take; nothing where it is
/// switched off. It is drawn between the timed regions only, and erased at the end.
class Progress {
 public:
  /// `label` says what the steps are of, such as "row 2 of 6"; it stands before each of them.
  Progress(std::ostream& terminal, bool enabled, std::string label = "")
      : terminal_(terminal), enabled_(enabled), label_(std::move(label)) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Begins a step: "generating", "measuring", ...
  void begin(std::string_view what);
  /// The share of the step that is done, 0..1. May be called from any thread and often: it redraws
  /// ten times a second at most.
  void update(double done);
  /// Erases the line.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(double done, Clock::time_point now);

  std::ostream& terminal_;
  const bool enabled_;
  const std::string label_;
  std::mutex mutex_;
  std::string what_;
  Clock::time_point began_, drawn_;
  bool visible_ = false;
};

}  // namespace convscale
