// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/kernel.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convscale {

/// Why `kernel` cannot do `request` here; empty if it can.
template <class Kernel, class RequestType>
std::string why_not(const Kernel& kernel, const RequestType& request) {
  std::string reason = kernel.missing ? kernel.missing() : "";
  if (reason.empty() && request.shape.outputs() == 0)
    reason = "mode valid keeps nothing of an image that is smaller than the filter";
  return reason.empty() && kernel.refuses ? kernel.refuses(request) : reason;
}

/// A kernel that may be taken.
struct Choice {
  std::string_view name;
  std::function<std::string()> why_not;  ///< asked only if it matters: it may load a library
};

/// The index of the one called `name`; of `auto`, of the first that can. Throws UsageError for a
/// name that nobody knows, UnsupportedError with the reason where it cannot.
std::size_t choose(std::string_view backend, std::string_view name,
                   const std::vector<Choice>& choices);

/// The kernel called `name` of a backend's table; of `auto`, the first that can do `request`.
/// Throws as `choose` does.
template <class Kernel, class RequestType>
const Kernel& find_kernel(std::string_view backend, std::span<const Kernel> table,
                          std::string_view name, const RequestType& request) {
  std::vector<Choice> choices;
  for (const Kernel& kernel : table)
    choices.push_back({kernel.name, [&] { return why_not(kernel, request); }});
  return table[choose(backend, name, choices)];
}

/// A table's lines of `--list`; `no_device` says why this machine can run none of them.
template <class Kernel>
std::vector<Listing> list_kernels(std::span<const Kernel> table,
                                  const std::string& no_device = "") {
  std::vector<Listing> listings;
  for (const Kernel& kernel : table) {
    std::string missing = kernel.missing ? kernel.missing() : "";
    std::string description = kernel.description;
    if (kernel.uses && missing.empty()) description += ": " + kernel.uses();
    if (missing.empty()) missing = no_device;
    listings.push_back({kernel.name, std::move(description), std::move(missing)});
  }
  return listings;
}

}  // namespace convscale
