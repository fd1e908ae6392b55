// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "common/vocabulary.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace convscale {

/// What a measurement goes on for beyond its iterations, and what ends it.
struct StopRule {
  std::optional<double> min_time_s = {};  ///< seconds of measured iterations together
  std::optional<double> max_noise = {};   ///< Summary::noise, a share of the median
  std::optional<double> timeout_s = {};   ///< of all iterations and what is done between them
};

/// One configuration: everything that a row of the table is measured under.
struct Config {
  std::string backend = "cpu";
  std::string kernel = "auto";
  Method method = Method::kFull;
  Scope scope = Scope::kEndToEnd;
  Dtype dtype = Dtype::kFloat64;
  Shape shape;
  Fill fill = Fill::kRandom;       ///< what images hold
  bool filters_from_file = false;  ///< else filters hold what `fill` says
  std::uint64_t seed = 0;
  int num_workers = 4;
  int iterations = 10;
  int burns = 2;
  StopRule stop;  ///< `iterations` are the least if it asks for more
  /// An image's convolution is repeated until so many seconds have passed, and then done once more.
  std::optional<double> work_time_s;
  bool interleaved = false;  ///< one iteration of each configuration of the run in turn
  Schedule schedule = Schedule::kStatic;
  Bind bind = Bind::kSpread;
  HostMemory host_memory = HostMemory::kPinned;
  std::vector<int> devices{0};  ///< indices of the backend's devices; empty means all
  bool devices_chosen = false;  ///< by the user
  int ranks = 1;                ///< processes that share the work
  Distribute distribute = Distribute::kScatter;  ///< among several ranks
  bool verify = true;
};

}  // namespace convscale
