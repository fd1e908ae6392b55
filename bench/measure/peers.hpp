// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace convscale {

/// The processes that measure the same configurations together, as one of them sees the others;
/// there may be one alone. All take the same steps in the same order, and decide by what all of
/// them know: a step that may fail, or that ends with an answer of each, is `collect`ed or `agree`d
/// on, so that it ends in the same way everywhere. An error that comes in any other way concerns
/// one process alone, for which the others would wait: it ends all.
class Peers {
 public:
  Peers() = default;
  virtual ~Peers() = default;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  virtual bool is_alone() const = 0;
  virtual bool is_root() const = 0;           ///< it prints and writes, and its clock decides
  virtual bool is_first_on_host() const = 0;  ///< of those on its host
  /// The clock of this process, by which all times are taken.
  virtual std::chrono::steady_clock::time_point now() const = 0;
  /// Whether this process was asked to stop; others may not know yet.
  virtual bool signalled() const = 0;
  /// Whether any was asked to stop, by what all of them knew when they last agreed.
  virtual bool is_interrupted() const = 0;

  /// Collective: runs `step` in every process, and returns in every process what each step did, in
  /// the order of the ranks. Where a step throws, all throw the same error (of the first that did,
  /// with its name unless all failed alike). Nothing in `step` is collective. Alone, it is `step`
  /// and nothing else.
  virtual std::vector<std::string> collect(const std::function<std::string()>& step) = 0;
  /// Collective: the sum over this host's processes.
  virtual std::int64_t sum_on_host(std::int64_t mine) = 0;

  /// collect() of steps without an answer.
  void agree(const std::function<void()>& step) {
    collect([&] {
      step();
      return std::string();
    });
  }
  double seconds_since(std::chrono::steady_clock::time_point begin) const {
    return std::chrono::duration<double>(now() - begin).count();
  }
};

}  // namespace convscale
