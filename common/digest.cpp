// SPDX-License-Identifier: Apache-2.0
#include "common/digest.hpp"

#include <vector>

#include "common/thread_team.hpp"

namespace convscale {

template <class T>
Digest digest_of(std::span<const T> results, std::uint64_t first_index, ThreadTeam& team) {
  std::vector<Digest> parts(static_cast<std::size_t>(team.size()));
  team.for_each_block(std::ssize(results), [&](int worker, std::int64_t begin, std::int64_t end) {
    Digest part;
    for (std::int64_t i = begin; i < end; ++i) {
      const T value = results[static_cast<std::size_t>(i)];
      part.value += digest_term(first_index + static_cast<std::uint64_t>(i), value);
      part.unwritten += bits_of(value) == kPoisonBits<T> ? 1 : 0;
    }
    parts[static_cast<std::size_t>(worker)] = part;
  });
  Digest sum;
  for (const Digest& part : parts) {
    sum.value += part.value;
    sum.unwritten += part.unwritten;
  }
  return sum;
}

template Digest digest_of(std::span<const double>, std::uint64_t, ThreadTeam&);
template Digest digest_of(std::span<const float>, std::uint64_t, ThreadTeam&);

}  // namespace convscale
