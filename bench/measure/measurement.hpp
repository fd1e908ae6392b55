// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/cli/progress.hpp"
#include "bench/data/workload.hpp"
#include "bench/measure/input_cache.hpp"
#include "bench/measure/iterations.hpp"
#include "bench/measure/peers.hpp"
#include "bench/measure/stopping_rule.hpp"
#include "bench/report/record.hpp"
#include "common/backend.hpp"
#include "common/buffer.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace convscale {

class ThreadTeam;

/// What a measurement needs beside its configuration. All of it outlives the measurement.
struct MeasureContext {
  const BackendTable& backends;
  ThreadTeam& helpers;  ///< for everything outside of the timed region
  InputCache& inputs;
  Progress& progress;
  Peers& peers;
  bool has_rows = false;  ///< that were measured before, and must not be lost
  /// Whether `on_results` reads images and filters.
  bool saves = false;
  /// Called once, in every process, with the last iteration's results, after they were verified.
  /// The buffers have the configuration's images `held`.
  std::function<void(const Config&, Range held, const HostBuffers&)> on_results;
};

/// One configuration from setup to record. The life of one, as measure() drives it:
///
///     Measurement m(config, workload, context);
///     (memory for m.inputs() and m.bytes_to_take() is checked)
///     m.set_up();
///     while (!m.has_enough() && !m.has_failed() && !interrupted) m.iterate();
///     record = m.finish();
///
/// Several may be alive at the same time and iterate in turn. Methods throw UsageError,
/// UnsupportedError and ResourceError. Making one, and all but the questions, is
/// collective: every rank measures the same, and decides by rank 0's clock.
class Measurement {
 public:
  Measurement(const Config& config, const Workload& workload, const MeasureContext& context);

  const Config& config() const { return record_.config; }
  const Inputs& inputs() const { return *inputs_; }
  /// Bytes of host memory that `set_up` takes beside the inputs.
  std::int64_t bytes_to_take() const { return result_bytes() + backend_->needs().scratch_bytes; }
  /// Memory of devices that it takes.
  const std::vector<DeviceNeed>& device_needs() const { return backend_->needs().devices; }
  /// All others that it was to take turns with cannot run here.
  void run_alone() { record_.config.interleaved = false; }

  /// Places memory and fills the inputs, unless an earlier configuration has. An interrupt leaves
  /// it half done: then only `finish` may follow.
  void set_up();
  /// One iteration, a burn or a measured one.
  void iterate();
  /// No more iterations are needed.
  bool has_enough() const { return stopping_rule_.stopped().has_value(); }
  /// No more iterations are allowed.
  bool is_out_of_time() const { return stopping_rule_.is_out_of_time(); }
  /// A wrong result was seen: more iterations are of no use.
  bool has_failed() const { return !iterations_.failure().empty(); }
  /// About how much is done, 0..1.
  double done_share() const { return stopping_rule_.done_share(); }
  /// Verifies the last results. The record says how it ended: `ok`, `failed` (a result was wrong)
  /// or `interrupted`.
  Record finish();

 private:
  /// Seconds that `step` takes.
  template <class Step>
  double timed(Step&& step) const {
    const auto begin = context_.peers.now();
    step();
    return context_.peers.seconds_since(begin);
  }
  bool is_burn() const;
  bool is_interrupted() const { return context_.peers.is_interrupted(); }
  bool keep_going(double done) const {
    context_.progress.update(done);
    return !context_.peers.signalled();
  }
  std::int64_t result_bytes() const {
    return held_.images * held_.outputs() * size_of(config().dtype);
  }
  HostBuffers buffers() const {
    return {inputs_->images().data(), inputs_->filters().data(), results_.data()};
  }
  void remember_median() const;
  template <class T>
  std::string changed_inputs(const T* images, const T* filters);
  Verification verify_held();
  void verify_results();
  void warn();
  void conclude();

  const MeasureContext& context_;
  Record record_;
  Shape held_;  // the images that this process holds
  StoppingRule stopping_rule_;
  Iterations iterations_;
  bool is_set_up_ = false;
  double iterations_s_ = 0, ceilings_s_ = 0, checks_s_ = 0, elapsed_s_ = 0;
  // Before the backend, whose end unregisters them and waits for copies that a fault left under
  // way.
  std::optional<Workload> workload_;  // of held_
  std::shared_ptr<Inputs> inputs_;    // of no image if nobody reads them
  PageBuffer results_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace convscale
