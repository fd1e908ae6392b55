// SPDX-License-Identifier: Apache-2.0
#include "bench/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <string>

namespace convscale {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kBarWidth = 30;

}  // namespace

void Progress::begin(std::string_view what) {
  if (!enabled_) return;
  const std::scoped_lock lock(mutex_);
  what_ = (label_.empty() ? "" : label_ + ": ") + std::string(what);
  began_ = Clock::now();
  draw(0, began_);
}

void Progress::update(double done) {
  if (!enabled_) return;
  const std::scoped_lock lock(mutex_);
  const auto now = Clock::now();
  if (now - drawn_ >= kRedraw) draw(done, now);
}

void Progress::draw(double done, Clock::time_point now) {
  drawn_ = now;
  visible_ = true;
  const auto filled = static_cast<std::size_t>(std::lround(done * kBarWidth));
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::string left;
  const double elapsed_s = std::chrono::duration<double>(now - began_).count();
  if (done > 0) left = fmt::format("  {:.1f} s left", elapsed_s / done * (1 - done));
  std::string line = fmt::format("{:<10} [{}] {:3.0f} %{}", what_, bar, 100 * done, left);
  // A line that wraps could not be erased.
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  if (known && line.size() >= size.ws_col) {
    line = fmt::format("{} {:.0f} %", what_, 100 * done).substr(0, size.ws_col - 1U);
  }
  terminal_ << "\r\033[K" << line << std::flush;
}

void Progress::clear() {
  const std::scoped_lock lock(mutex_);
  if (visible_) terminal_ << "\r\033[K" << std::flush;
  visible_ = false;
}

}  // namespace convscale
