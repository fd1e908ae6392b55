// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/backend_around.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace convscale::testing {

/// Writes down when the CPU's backend is made, iterates and ends: "make scalar", "run scalar", ...
class RecordingBackend final : public BackendAround {
 public:
  RecordingBackend(std::unique_ptr<Backend> backend, std::vector<std::string>& log)
      : BackendAround(std::move(backend)), log_(log) {
    log_.push_back("make " + facts().kernel);
  }
  ~RecordingBackend() override { log_.push_back("end " + facts().kernel); }

  Ticket start(Range images) override {
    log_.push_back("run " + facts().kernel);
    return BackendAround::start(images);
  }

 private:
  std::vector<std::string>& log_;
};

/// The program's table, its CPU backend writing to `log`, which outlives it.
inline BackendTable table_with(std::vector<std::string>& log) {
  return with_cpu([&log](std::unique_ptr<Backend> backend, const Config&) {
    return std::make_unique<RecordingBackend>(std::move(backend), log);
  });
}

}  // namespace convscale::testing
