// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <mutex>
#include <ostream>
#include <string_view>

namespace convscale {

/// One line on a terminal that says what is going on and how long it will take; nothing where it is
/// switched off. It is drawn between the timed regions only, and erased at the end.
class Progress {
 public:
  Progress(std::ostream& terminal, bool enabled) : terminal_(terminal), enabled_(enabled) {}
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
  std::mutex mutex_;
  std::string_view what_;
  Clock::time_point began_, drawn_;
  bool visible_ = false;
};

}  // namespace convscale
