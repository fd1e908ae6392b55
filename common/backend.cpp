// SPDX-License-Identifier: Apache-2.0
#include "common/backend.hpp"

#include <algorithm>

namespace convscale {

Trace& Trace::operator+=(const Trace& other) {
  digest += other.digest;
  busy_s.insert(busy_s.end(), other.busy_s.begin(), other.busy_s.end());
  if (!other.phases) return *this;
  if (!phases) phases.emplace();
  for (double Phases::*time : {&Phases::upload_s, &Phases::kernel_s, &Phases::download_s})
    (*phases).*time = std::max((*phases).*time, (*other.phases).*time);
  return *this;
}

}  // namespace convscale
