// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/backend_around.hpp"
#include "common/error.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale::testing {

/// A backend that claims what a GPU's would (device, phases, link), with the CPU's results and
/// times.
class ModelBackend final : public BackendAround {
 public:
  ModelBackend(std::unique_ptr<Backend> backend, const Config& config)
      : BackendAround(std::move(backend)) {
    facts_ = {};
    facts_.kernel = config.kernel == "auto" ? "tiled" : config.kernel;
    facts_.device = "Model 1";
    DeviceInfo& device = facts_.devices.emplace_back();
    device.name = "Model 1";
    device.compute_capability = "9.0";
    device.pci_bus_id = "0000:3b:00.0";
    device.memory_bytes = 150'000'000'000;
    device.sm_clock_hz = 1.5e9;
    device.max_sm_clock_hz = 2e9;
    device.power_limit_w = 700;
    facts_.line_bytes = 32;
    facts_.quantised = false;
    if (config.scope == Scope::kEndToEnd) facts_.transfer = {.up_bytes = 1000, .down_bytes = 10};
    needs_.placement.reset();
  }
  Ceilings measure_ceilings() override {
    Ceilings ceilings = BackendAround::measure_ceilings();
    ceilings.up_bytes_per_s = 1e9;
    ceilings.down_bytes_per_s = 2e9;
    ceilings.duplex_bytes_per_s = 2.5e9;
    return ceilings;
  }
  Trace inspect(bool with_times) override {
    return {.digest = BackendAround::inspect(with_times).digest,
            .phases = Phases{0.25, 0.5, 0.125}};
  }
  BackendFacts finish() override { return facts(); }
};

/// `table`, with the model in the place of backend "cuda". Made for fewer than `least_images`, it
/// fails.
inline BackendTable with_model(BackendTable table, std::int64_t least_images = 0) {
  const auto on_cpu = backends().front().create;
  for (BackendEntry& entry : table) {
    if (entry.name != "cuda") continue;
    entry.kernels = [] { return std::vector<Listing>{{"tiled", "", ""}, {"direct", "", ""}}; };
    entry.create = [on_cpu, least_images](
                       const Config& config,
                       const Assignment& assignment) -> std::unique_ptr<Backend> {
      if (config.shape.images < least_images) throw ResourceError("the model's device is lost");
      Config on_host = config;
      on_host.backend = "cpu";
      on_host.kernel = "scalar";
      on_host.scope = Scope::kEndToEnd;
      return std::make_unique<ModelBackend>(on_cpu(on_host, assignment), config);
    };
  }
  return table;
}

}  // namespace convscale::testing
