// SPDX-License-Identifier: Apache-2.0
#include "common/bound.hpp"

namespace convscale {

Ceilings& Ceilings::operator+=(const Ceilings& other) {
  for (const auto ceiling : kCeilings) {
    if (const auto& rate = other.*ceiling) this->*ceiling = (this->*ceiling).value_or(0) + *rate;
  }
  return *this;
}

std::optional<Bound> compute_bound(const Shape& shape, Method method, Dtype dtype,
                                   std::int64_t line_bytes, const Ceilings& ceilings,
                                   const Transfer& transfer) {
  Bound bound;
  bound.bytes = least_bytes(shape, method, dtype, line_bytes);
  bound.flops = flops(shape, method);
  bound.ceilings = ceilings;
  bool known = false;
  const auto consider = [&](Limit limit, std::int64_t amount, std::optional<double> rate) {
    if (!rate || *rate <= 0) return;
    known = true;
    const double time_s = static_cast<double>(amount) / *rate;
    if (time_s <= bound.time_s) return;
    bound.time_s = time_s;
    bound.limit = limit;
  };
  consider(Limit::kMemory, bound.bytes, ceilings.read_bytes_per_s);
  consider(Limit::kCompute, bound.flops, ceilings.peak_flops_per_s);
  consider(Limit::kTransfer, transfer.up_bytes, ceilings.up_bytes_per_s);
  consider(Limit::kTransfer, transfer.down_bytes, ceilings.down_bytes_per_s);
  consider(Limit::kTransfer, transfer.up_bytes + transfer.down_bytes, ceilings.duplex_bytes_per_s);
  consider(Limit::kNetwork, transfer.scatter_bytes, ceilings.scatter_bytes_per_s);
  consider(Limit::kNetwork, transfer.gather_bytes, ceilings.gather_bytes_per_s);
  if (!known) return std::nullopt;
  return bound;
}

std::optional<double> network_bytes_per_s(const Ceilings& ceilings, const Transfer& transfer) {
  if (!ceilings.scatter_bytes_per_s || !ceilings.gather_bytes_per_s) return std::nullopt;
  return static_cast<double>(transfer.exchanged_bytes()) /
         (static_cast<double>(transfer.scatter_bytes) / *ceilings.scatter_bytes_per_s +
          static_cast<double>(transfer.gather_bytes) / *ceilings.gather_bytes_per_s);
}

double image_balance(std::int64_t images, std::int64_t workers) {
  const std::int64_t most = (images + workers - 1) / workers;
  return static_cast<double>(images) / static_cast<double>(workers * most);
}

}  // namespace convscale
