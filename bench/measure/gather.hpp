// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/json.hpp"
#include "bench/measure/peers.hpp"

#include <string>
#include <vector>

namespace convscale {

/// Collective: what `step()` says in each process, in the order of the ranks; see Peers::collect.
/// Any type that converts to JSON, with NaN and infinities as they are, and any bytes in texts.
template <class Step>
auto gather(Peers& peers, Step&& step) {
  using Value = decltype(step());
  std::vector<Value> values;
  if (peers.is_alone()) {
    values.push_back(step());
    return values;
  }
  const auto packed = [&] {
    std::string bytes;
    nlohmann::json::to_msgpack(nlohmann::json(step()), bytes);
    return bytes;
  };
  for (const std::string& bytes : peers.collect(packed))
    values.push_back(nlohmann::json::from_msgpack(bytes).template get<Value>());
  return values;
}

/// Collective: what rank 0 has, in every process.
template <class Value>
Value of_root(Peers& peers, const Value& mine) {
  return gather(peers, [&] { return mine; }).front();
}

}  // namespace convscale
