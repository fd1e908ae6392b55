// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"
#include "common/vocabulary.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace convscale {

/// One configuration: everything that a row of the table is measured under.
struct Config {
  std::string backend = "cpu";
  std::string kernel = "auto";
  Method method = Method::kFull;
  Scope scope = Scope::kEndToEnd;
  Dtype dtype = Dtype::kFloat64;
  Shape shape;
  std::int64_t first_image = 0;    ///< global index of image 0; a rank's share begins elsewhere
  Fill fill = Fill::kRandom;       ///< what images hold
  bool filters_from_file = false;  ///< else filters hold what `fill` says
  std::uint64_t seed = 0;
  int num_workers = 4;
  int iterations = 10;
  int burns = 2;
  Schedule schedule = Schedule::kStatic;
  Bind bind = Bind::kSpread;
  HostMemory host_memory = HostMemory::kPinned;
  std::vector<int> devices{0};  ///< indices of the backend's devices; empty means all
  bool verify = true;
};

}  // namespace convscale
