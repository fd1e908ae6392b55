// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace convscale {

/// What the hardware reached in the same process: measured, not looked up. Null: not measured, or
/// no such ceiling.
struct Ceilings {
  std::optional<double> read_bytes_per_s = {};
  /// From device memory to device memory, bytes read and written; beside the read, in no bound.
  std::optional<double> copy_bytes_per_s = {};
  std::optional<double> peak_flops_per_s = {};
  std::optional<double> up_bytes_per_s = {};
  std::optional<double> down_bytes_per_s = {};
  std::optional<double> duplex_bytes_per_s = {};
  std::optional<double> scatter_bytes_per_s = {};  ///< from rank 0 to all others
  std::optional<double> gather_bytes_per_s = {};   ///< and back

  /// The rates of both at the same time: the sum of what is known.
  Ceilings& operator+=(const Ceilings& other);
};

/// Every ceiling.
inline constexpr std::array<std::optional<double> Ceilings::*, 8> kCeilings{
    &Ceilings::read_bytes_per_s,    &Ceilings::copy_bytes_per_s,  &Ceilings::peak_flops_per_s,
    &Ceilings::up_bytes_per_s,      &Ceilings::down_bytes_per_s,  &Ceilings::duplex_bytes_per_s,
    &Ceilings::scatter_bytes_per_s, &Ceilings::gather_bytes_per_s};

/// Bytes that must cross the link of a device, and that between ranks; zero where there is none.
struct Transfer {
  std::int64_t up_bytes = 0;
  std::int64_t down_bytes = 0;
  std::int64_t scatter_bytes = 0;  ///< from rank 0 to all others
  std::int64_t gather_bytes = 0;   ///< and back
  std::int64_t exchanged_bytes() const { return scatter_bytes + gather_bytes; }
};

enum class Limit { kMemory, kCompute, kTransfer, kNetwork };
template <>
inline constexpr std::array<std::string_view, 4> kNames<Limit>{"memory", "compute", "transfer",
                                                               "network"};

/// The least time that the hardware allows.
struct Bound {
  Limit limit = Limit::kMemory;
  double time_s = 0;
  std::int64_t bytes = 0;  ///< least bytes
  std::int64_t flops = 0;
  Ceilings ceilings;
};

/// The roofline (Williams, Waterman, Patterson, CACM 2009): max(least bytes / read bandwidth, FLOPs
/// / peak, for a device end to end up / up rate, down / down rate, both / duplex rate, and between
/// ranks scattered / scatter rate, gathered / gather rate, which may overlap). Null if no ceiling
/// is known.
std::optional<Bound> compute_bound(const Shape& shape, Method method, Dtype dtype,
                                   std::int64_t line_bytes, const Ceilings& ceilings,
                                   const Transfer& transfer = {});

/// What the network reached, both ways one after the other. Null if that was not measured.
std::optional<double> network_bytes_per_s(const Ceilings& ceilings, const Transfer& transfer);

/// The most that `workers` equal workers reach of perfect balance when each takes whole images: N /
/// (W ceil(N / W)).
double image_balance(std::int64_t images, std::int64_t workers);

}  // namespace convscale
