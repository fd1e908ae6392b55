// SPDX-License-Identifier: Apache-2.0
#include "common/kernel_table.hpp"

#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace convscale {

std::size_t choose(std::string_view backend, std::string_view name,
                   const std::vector<Choice>& choices) {
  std::string reason;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (name != "auto" && name != choices[i].name) continue;
    reason = choices[i].why_not();
    if (reason.empty()) return i;
  }
  std::vector<std::string_view> names{"auto"};
  for (const Choice& choice : choices) {
    if (reason.empty() || choice.why_not().empty()) names.push_back(choice.name);
  }
  if (reason.empty()) {
    throw UsageError(fmt::format("--kernel {}: no such kernel of backend {}; expected {}", name,
                                 backend, fmt::join(names, ", ")));
  }
  throw UnsupportedError(
      fmt::format("--kernel {}: {}; these can: {}", name, reason, fmt::join(names, ", ")));
}

}  // namespace convscale
