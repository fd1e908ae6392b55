// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/backends.hpp"
#include "common/backend.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale::testing {

/// Writes down when the CPU's backend is made, iterates and ends: "make scalar", "run scalar", ...
class RecordingBackend final : public Backend {
 public:
  RecordingBackend(std::unique_ptr<Backend> backend, std::vector<std::string>& log)
      : backend_(std::move(backend)), log_(log), name_(backend_->facts().kernel) {
    log_.push_back("make " + name_);
  }
  ~RecordingBackend() override { log_.push_back("end " + name_); }

  BackendFacts facts() const override { return backend_->facts(); }
  std::int64_t scratch_bytes() const override { return backend_->scratch_bytes(); }
  std::optional<std::string> placement() const override { return backend_->placement(); }
  void prepare(const HostBuffers& buffers) override { backend_->prepare(buffers); }
  Ceilings measure_ceilings() override { return backend_->measure_ceilings(); }
  void poison() override { backend_->poison(); }
  void start(Range range) override {
    log_.push_back("run " + name_);
    backend_->start(range);
  }
  void wait(Range range) override { backend_->wait(range); }
  Digest digest() override { return backend_->digest(); }

 private:
  std::unique_ptr<Backend> backend_;
  std::vector<std::string>& log_;
  std::string name_;
};

/// The program's table, its CPU backend writing to `log`, which outlives it.
inline BackendTable table_with(std::vector<std::string>& log) {
  BackendTable table = backends();
  BackendEntry& cpu = table.front();
  cpu.create = [create = cpu.create, &log](const Config& config) -> std::unique_ptr<Backend> {
    return std::make_unique<RecordingBackend>(create(config), log);
  };
  return table;
}

}  // namespace convscale::testing
