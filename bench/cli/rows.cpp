// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/rows.hpp"

#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace convscale {
namespace {

/// The kernels that a backend knows. One that this build lacks knows none, and says for itself why
/// it cannot be made.
struct Known {
  std::string backend;
  std::vector<std::string> kernels;

  bool knows(const std::string& kernel) const {
    return kernels.empty() || kernel == "auto" || std::ranges::count(kernels, kernel) > 0;
  }
};

/// Of each backend of `configs`, once. Machines are asked for their kernels only if one is named.
std::vector<Known> known_kernels(const std::vector<Config>& configs, const BackendTable& table) {
  const bool named =
      std::ranges::any_of(configs, [](const Config& c) { return c.kernel != "auto"; });
  std::vector<Known> known;
  for (const Config& config : configs) {
    if (std::ranges::count(known, config.backend, &Known::backend) > 0) continue;
    const BackendEntry& entry = find_backend(table, config.backend);
    known.push_back({entry.name, {}});
    if (!named) continue;
    for (const Listing& kernel : entry.kernels()) known.back().kernels.push_back(kernel.name);
  }
  return known;
}

[[noreturn]] void reject_kernel(const std::string& kernel, const std::vector<Known>& known) {
  std::vector<std::string> backends, kernels{"auto"};
  for (const Known& k : known) {
    backends.push_back(k.backend);
    for (const std::string& name : k.kernels) {
      if (std::ranges::count(kernels, name) == 0) kernels.push_back(name);
    }
  }
  throw UsageError(fmt::format("--kernel {}: no such kernel of backend{} {}; expected {}", kernel,
                               backends.size() > 1 ? "s" : "", fmt::join(backends, ", "),
                               fmt::join(kernels, ", ")));
}

/// Devices that were chosen are those of a backend, and each needs a worker.
void check_devices(const std::vector<Config>& configs, const BackendTable& table) {
  const auto has_devices = [](const BackendEntry& entry) { return entry.device_count != nullptr; };
  const auto is_for_devices = [&](const Config& config) {
    return has_devices(find_backend(table, config.backend));
  };
  const Config& first = configs.front();
  const auto other = std::ranges::find_if(table, has_devices);
  if (first.devices_chosen && std::ranges::none_of(configs, is_for_devices)) {
    throw UsageError(fmt::format(
        "--devices {}: backend {} has none to choose from; {}leave it out",
        first.devices.empty() ? "all" : fmt::format("{}", fmt::join(first.devices, ",")),
        first.backend, other == table.end() ? "" : "add --backend " + other->name + ", or "));
  }
  for (const Config& config : configs) {
    if (config.num_workers < std::ssize(config.devices) && is_for_devices(config)) {
      throw UsageError(
          fmt::format("--num_workers {}: {} devices need a stream each; --num_workers {} would do",
                      config.num_workers, config.devices.size(), config.devices.size()));
    }
  }
}

}  // namespace

const BackendEntry& find_backend(const BackendTable& table, const std::string& name) {
  std::vector<std::string> names;
  for (const BackendEntry& entry : table) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw UsageError(fmt::format("--backend {}: no such backend; expected one of {}", name,
                               fmt::join(names, ", ")));
}

std::vector<Row> make_rows(const std::vector<Config>& configs, const BackendTable& table) {
  const std::vector<Known> known = known_kernels(configs, table);
  check_devices(configs, table);
  std::vector<Row> rows;
  for (const Config& config : configs) {
    if (std::ranges::none_of(known, [&](const Known& k) { return k.knows(config.kernel); }))
      reject_kernel(config.kernel, known);
    const auto own = std::ranges::find(known, config.backend, &Known::backend);
    rows.push_back({config, ""});
    if (own->knows(config.kernel)) continue;
    rows.back().impossible =
        fmt::format("--kernel {}: no such kernel of backend {}; it has auto, {}", config.kernel,
                    config.backend, fmt::join(own->kernels, ", "));
  }
  return rows;
}

}  // namespace convscale
