// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/measure/verify.hpp"
#include "bench/ranks/comm.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale {

/// The processes of this run as one of them sees the others. All run the same steps in the same
/// order, and decide by what all of them know: a step that may fail, or that ends with an answer of
/// each, is `collect`ed or `agree`d on, so that it ends in the same way everywhere. An error that
/// comes in any other way concerns one rank alone, for which the others would wait: it aborts all.
class Ranks {
 public:
  /// `signalled` says whether this process was asked to stop. Collective. Keeps references.
  Ranks(Comm& comm, std::function<bool()> signalled);

  Comm& comm() const { return comm_; }
  int rank() const { return comm_.rank(); }
  int size() const { return comm_.size(); }
  bool is_alone() const { return size() == 1; }
  bool is_root() const { return rank() == 0; }
  const std::string& host_of(int rank) const { return hosts_[static_cast<std::size_t>(rank)]; }
  const std::vector<std::string>& hosts() const { return hosts_; }
  bool are_on_one_host(int a, int b) const {
    return machines_[static_cast<std::size_t>(a)] == machines_[static_cast<std::size_t>(b)];
  }
  int local_rank() const { return local_rank_; }    ///< among the ranks of this host
  int local_ranks() const { return local_ranks_; }  ///< of this host
  int processors() const { return processors_; }    ///< that this process may use
  /// Whether `rank` runs on this host and may use the same processors.
  bool shares_processors(int rank) const {
    return places_[static_cast<std::size_t>(rank)] ==
           places_[static_cast<std::size_t>(comm_.rank())];
  }
  std::string name_of(int rank) const;  ///< "rank 3 on h4"

  /// Collective: runs `step` on every rank, and returns on every rank what each step did, in the
  /// order of the ranks. Where a step throws, every rank throws the same error (of the first that
  /// did, with its name unless all failed alike). Nothing in `step` is collective. Alone, it is
  /// `step` and nothing else.
  std::vector<std::string> collect(const std::function<std::string()>& step);
  /// The same, of steps without an answer.
  void agree(const std::function<void()>& step);
  /// Collective: rank 0's values, on every rank.
  std::vector<double> of_root(const std::vector<double>& mine);
  std::int64_t of_root(std::int64_t mine);
  /// Collective: the sum over this host's ranks.
  std::int64_t sum_on_host(std::int64_t mine);

  /// Whether this process was asked to stop; others may not know yet.
  bool signalled() const { return signalled_(); }
  /// Whether a rank was asked to stop, by what all of them knew when they last agreed.
  bool is_interrupted() const { return is_alone() ? signalled_() : interrupted_; }

  /// Throws UsageError where a rank runs another version of this program, or with other arguments.
  /// Collective; the first thing of all, so that what follows is the same everywhere.
  void require_alike(const std::vector<std::string>& args);
  /// Throws UsageError where a rank read other input files than rank 0: `data` describes them.
  /// Collective.
  void require_same_data(const std::string& data);

 private:
  Comm& comm_;
  const std::function<bool()> signalled_;
  bool interrupted_ = false;
  std::vector<std::string> hosts_, machines_;
  std::vector<std::string> places_;  // a machine and processors of it
  int local_rank_ = 0, local_ranks_ = 1, processors_ = 1;
};

/// Collective: what the ranks found that verified something, as one verification of all of it.
Verification merge_verifications(Ranks& ranks,
                                 const std::function<std::optional<Verification>()>& verify);

/// Texts that several ranks have to say, each once, in the order of the ranks; with the rank's name
/// in front unless all of them say it.
std::vector<std::string> merge_remarks(const Ranks& ranks,
                                       const std::vector<std::vector<std::string>>& of_ranks);

}  // namespace convscale
