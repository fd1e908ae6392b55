// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/measure/peers.hpp"
#include "bench/ranks/comm.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace convscale {

/// The ranks of a launcher, on their hosts.
class Ranks : public Peers {
 public:
  /// `signalled` says whether this process was asked to stop. Collective. Keeps references.
  Ranks(Comm& comm, std::function<bool()> signalled);

  Comm& comm() const { return comm_; }
  int rank() const { return comm_.rank(); }
  int size() const { return comm_.size(); }
  bool is_alone() const override { return size() == 1; }
  bool is_root() const override { return rank() == 0; }
  bool is_first_on_host() const override { return local_rank_ == 0; }
  std::chrono::steady_clock::time_point now() const override { return comm_.now(); }
  bool signalled() const override { return signalled_(); }
  bool is_interrupted() const override { return is_alone() ? signalled_() : interrupted_; }
  std::vector<std::string> collect(const std::function<std::string()>& step) override;
  std::int64_t sum_on_host(std::int64_t mine) override;

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
  /// "rank 3 on h4".
  std::string name_of(int rank) const {
    return "rank " + std::to_string(rank) + " on " + host_of(rank);
  }

  /// Throws UsageError where a rank runs another version of this program, or with other arguments.
  /// Collective; the first thing of all, so that what follows is the same everywhere.
  void require_alike(const std::vector<std::string>& args);
  /// Throws UsageError where a rank read other input files than rank 0: `data` describes them.
  /// Collective.
  void require_same_data(const std::string& data);

 private:
  void require_same(const std::vector<std::string>& of_ranks, int other, const char* message) const;

  Comm& comm_;
  const std::function<bool()> signalled_;
  bool interrupted_ = false;
  std::vector<std::string> hosts_, machines_;
  std::vector<std::string> places_;  // a machine and processors of it
  int local_rank_ = 0, local_ranks_ = 1, processors_ = 1;
};

/// Texts that several ranks have to say, each once, in the order of the ranks; with the rank's name
/// in front unless all of them say it.
std::vector<std::string> merge_remarks(const Ranks& ranks,
                                       const std::vector<std::vector<std::string>>& of_ranks);

}  // namespace convscale
