// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace convscale {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

struct StepShare {
  const char* name;
  double begin, end;  // of the row
};

/// Where a row of the usual ten iterations stands at a step; only the time left depends on it.
StepShare share_of(Progress::Step step) {
  static constexpr StepShare kShares[] = {
      {"generating", 0, 0.25}, {"measuring", 0.25, 0.85}, {"verifying", 0.85, 1}};
  return kShares[static_cast<std::size_t>(step)];
}

std::size_t terminal_columns() {
  constexpr std::size_t kUnknown = 80;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  constexpr std::size_t kInterrupt = 2;  // ^C: a line that wraps could not be erased
  return std::max<std::size_t>(kInterrupt + 1, known ? size.ws_col : kUnknown) - kInterrupt;
}

}  // namespace

bool can_redraw() {
  const char* const terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && terminal != nullptr && *terminal != '\0' &&
         std::string_view(terminal) != "dumb";
}

std::string format_duration(double seconds) {
  constexpr long kMinute = 60, kHour = 3600;
  const long s = std::lround(seconds);
  if (s < kMinute) return fmt::format("{} s", s);
  if (s < kHour) return fmt::format("{} min {:02} s", s / kMinute, s % kMinute);
  return fmt::format("{} h {:02} min", s / kHour, s % kHour / kMinute);
}

std::string progress_line(const std::string& label, const std::string& step, double done,
                          const std::string& left, std::size_t columns) {
  constexpr std::size_t kLongest = 30, kShortest = 8, kFrame = 4;  // " [" and "] "
  const std::string figures =
      fmt::format("{:3.0f} %{}", 100 * done, left.empty() ? "" : "  " + left + " left");
  const std::string prefix = label.empty() ? "" : label + ": ";
  for (const std::string& text : {fmt::format("{}{:<10}", prefix, step),
                                  label.empty() ? step : label.substr(0, label.find(" ("))}) {
    const std::size_t taken = text.size() + kFrame + figures.size() + 1;
    if (taken + kShortest > columns) continue;
    const std::size_t width = std::min(kLongest, columns - taken);
    const auto filled = static_cast<std::size_t>(std::lround(done * static_cast<double>(width)));
    return fmt::format("{} [{}{}] {}", text, std::string(filled, '#'),
                       std::string(width - filled, '.'), figures);
  }
  return figures.substr(0, columns - 1);  // a line that wraps could not be erased
}

void Progress::begin_row(std::string label, double work) {
  const std::scoped_lock lock(mutex_);
  done_work_ += row_work_;
  row_work_ = work;
  row_share_ = 0;
  label_ = std::move(label);
}

void Progress::drop_row() {
  const std::scoped_lock lock(mutex_);
  total_work_ -= row_work_;
  row_work_ = 0;
}

void Progress::begin_part(std::size_t index, std::size_t count) {
  const std::scoped_lock lock(mutex_);
  part_ = static_cast<double>(index);
  parts_ = static_cast<double>(count);
}

void Progress::begin(Step step) {
  if (!enabled_) return;
  const std::scoped_lock lock(mutex_);
  step_ = step;
  advance(0);
  draw(Clock::now());
}

void Progress::update(double done) {
  if (!enabled_) return;
  const std::scoped_lock lock(mutex_);
  advance(done);
  const auto now = Clock::now();
  if (now - drawn_ >= kRedraw) draw(now);
}

void Progress::advance(double done) {
  const StepShare step = share_of(step_);
  const double of_step = (part_ + done) / parts_;
  row_share_ = std::max(row_share_, step.begin + of_step * (step.end - step.begin));
}

void Progress::draw(Clock::time_point now) {
  constexpr double kEnough = 0.02;  // under that, the rest is a guess
  drawn_ = now;
  visible_ = true;
  const std::string step = share_of(step_).name;
  std::string line = label_ + ": " + step;
  if (row_work_ > 0) {
    const double done = std::clamp((done_work_ + row_share_ * row_work_) / total_work_, 0.0, 1.0);
    const double elapsed_s = std::chrono::duration<double>(now - began_).count();
    const std::string left = done > kEnough ? format_duration(elapsed_s / done * (1 - done)) : "";
    line = progress_line(label_, step, done, left, terminal_columns());
  }
  terminal_ << "\r\033[K" << line << std::flush;
}

void Progress::clear() {
  const std::scoped_lock lock(mutex_);
  if (visible_) terminal_ << "\r\033[K" << std::flush;
  visible_ = false;
}

}  // namespace convscale
