// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/backend_around.hpp"
#include "common/error.hpp"

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale::testing {

/// What goes wrong in a backend that is the CPU's otherwise.
enum class Fault {
  kNone,
  kWrongOutput,      ///< one output of each iteration is off
  kUnwrittenImage,   ///< the last image is never computed
  kChangedPixel,     ///< a pixel of the last row of the last image is another before it is computed
  kChangedTap,       ///< so is the last filter's last tap
  kDrift,            ///< an output differs in its last bit from iteration to iteration
  kOtherAgain,       ///< what it runs again for the phases differs in the last bit of an output
  kDeviceFault,      ///< waiting fails, as after a failed launch
  kNoDevice,         ///< cannot be made on this machine
  kFasterThanLight,  ///< claims ceilings so low that the iterations are above the bound
};

/// A backend of the program's table with one fault planted.
class FaultyBackend final : public BackendAround {
 public:
  FaultyBackend(std::unique_ptr<Backend> backend, Config config, Fault fault)
      : BackendAround(std::move(backend)), config_(std::move(config)), fault_(fault) {}

  void prepare(const HostBuffers& buffers) override {
    results_ = reinterpret_cast<double*>(buffers.results);
    images_ = reinterpret_cast<double*>(buffers.images);
    filters_ = reinterpret_cast<double*>(buffers.filters);
    BackendAround::prepare(buffers);
  }
  void load() override {
    const Shape& s = config_.shape;
    if (fault_ == Fault::kChangedPixel) images_[s.images * s.pixels() - 2] *= 2;
    if (fault_ == Fault::kChangedTap) filters_[s.images * s.taps() - 1] *= 2;
    BackendAround::load();
  }
  Ceilings measure_ceilings() override {
    Ceilings ceilings = BackendAround::measure_ceilings();
    if (fault_ == Fault::kFasterThanLight) ceilings.read_bytes_per_s = 1;
    return ceilings;
  }
  Ticket start(Range images) override {
    if (fault_ == Fault::kUnwrittenImage) --images.end;
    return BackendAround::start(images);
  }
  void wait(Ticket ticket) override {
    BackendAround::wait(ticket);
    ++iteration_;
    if (fault_ == Fault::kWrongOutput) results_[config_.shape.outputs() + 3] += 1e-9;
    if (fault_ == Fault::kDrift && iteration_ == 2) results_[0] = std::nextafter(results_[0], 1e9);
    if (fault_ == Fault::kDeviceFault) throw ResourceError("launch failed: device lost");
  }
  Trace inspect(bool with_times) override {
    Trace trace = BackendAround::inspect(with_times);
    if (with_times && fault_ == Fault::kOtherAgain) results_[0] = std::nextafter(results_[0], 1e9);
    return trace;
  }

 private:
  Config config_;
  Fault fault_;
  double *images_ = nullptr, *filters_ = nullptr, *results_ = nullptr;
  int iteration_ = 0;
};

/// The program's table, on a machine that lacks what backend "cuda" needs, whatever this one has.
inline BackendTable table_without_cuda() {
  BackendTable table = backends();
  for (BackendEntry& entry : table) {
    if (entry.name != "cuda") continue;
    entry.kernels = [] { return std::vector<Listing>{}; };
    entry.devices = [] { return std::vector<Listing>{{"cuda", "", "no card here"}}; };
    entry.create = [](const Config&, const Assignment&) -> std::unique_ptr<Backend> {
      throw UnsupportedError("--backend cuda: no card here; --backend cpu runs here");
    };
  }
  return table;
}

/// The program's table, its CPU backend with a fault, where it is made for `kernel` if that is
/// named.
inline BackendTable table_with(Fault fault, const std::string& kernel = "") {
  return with_cpu([=](std::unique_ptr<Backend> backend, const Config& config) {
    const Fault here = kernel.empty() || kernel == config.kernel ? fault : Fault::kNone;
    if (here == Fault::kNoDevice) throw UnsupportedError("no device; use another machine");
    return std::make_unique<FaultyBackend>(std::move(backend), config, here);
  });
}

}  // namespace convscale::testing
