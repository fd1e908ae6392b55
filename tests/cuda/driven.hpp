// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/workload.hpp"
#include "bench/measure/verify.hpp"
#include "common/buffer.hpp"
#include "common/digest.hpp"
#include "common/error.hpp"
#include "common/thread_team.hpp"
#include "cuda/backend.hpp"
#include "cuda/device_test.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The backend as the program drives it: what tests ask of a backend, they ask here.
namespace convscale::cuda {

/// Nine images for three streams.
inline Config small(Scope scope = Scope::kEndToEnd, Method method = Method::kStrided,
                    Dtype dtype = Dtype::kFloat64) {
  Config config;
  config.backend = "cuda";
  config.shape = {9, 20, 28, 4, 5};
  config.method = method;
  config.scope = scope;
  config.dtype = dtype;
  config.num_workers = 3;
  return config;
}

inline std::unique_ptr<Backend> made(const Config& config, const Assignment& assignment = {}) {
  return cuda_backend().create(config, assignment);
}

/// A backend with a workload.
template <class T>
class Driven {
 public:
  explicit Driven(const Config& config, std::int64_t first_image = 0)
      : config_(config),
        first_image_(first_image),
        images_(config.shape.images * config.shape.pixels() * size_of(config.dtype), "images"),
        filters_(config.shape.images * config.shape.taps() * size_of(config.dtype), "filters"),
        results_(config.shape.images * config.shape.outputs() * size_of(config.dtype), "results"),
        backend_(made(config, {.first_image = first_image, .stop = [this] { return stop_(); }})) {
    if (backend_->needs().reads_inputs) {
      backend_->prepare({images_.data(), filters_.data(), results_.data()});
    } else {
      backend_->prepare({.results = results_.data()});
    }
    Workload(config.shape, config.fill, config.seed)
        .fill(images_.as<T>().data(), filters_.as<T>().data(), team_, first_image);
    backend_->load();
  }

  const Config& config() const { return config_; }
  Range all() const { return {0, config_.shape.images}; }

  void poison() { backend_->poison(); }
  Backend::Ticket start(const Range& images) { return backend_->start(images); }
  void wait(Backend::Ticket ticket) { backend_->wait(ticket); }
  bool is_done(Backend::Ticket ticket) { return backend_->is_done(ticket); }
  void run(const Range& images) { wait(start(images)); }
  void stop_when(std::function<bool()> stop) { stop_ = std::move(stop); }
  /// One iteration and the digest of its results.
  Digest iterate() {
    poison();
    run(all());
    return digest();
  }
  /// Results are in the host's buffer. What the iterations showed.
  BackendFacts finish() { return backend_->finish(); }
  Ceilings measure_ceilings() { return backend_->measure_ceilings(); }
  // Of the last iteration.
  Trace inspect() { return backend_->inspect(true); }
  Digest digest() { return backend_->inspect(false).digest; }
  Phases phases() { return inspect().phases.value(); }
  std::vector<double> busy_s() { return inspect().busy_s; }

  /// Of the results in the host's buffer.
  Digest digest_of_results() const {
    return digest_of(std::span<const T>(results_.as<T>()),
                     static_cast<std::uint64_t>(first_image_ * config_.shape.outputs()));
  }
  Verification verified() {
    return verify<T>(config_.shape, images_.as<T>().data(), filters_.as<T>().data(),
                     results_.as<T>().data(), team_);
  }

 private:
  Config config_;
  std::int64_t first_image_;
  std::function<bool()> stop_ = [] { return false; };
  ThreadTeam team_{1};
  PageBuffer images_, filters_, results_;  // before the backend, which may still copy to them
  std::unique_ptr<Backend> backend_;
};

/// The exit code and the message with which a backend cannot be made, or prepared.
inline std::string refusal(const Config& config) {
  try {
    made(config);  // before there is memory for it
    const Driven<double> driven(config);
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
  return "created";
}

/// The results of the last iteration are all there, and as the reference has them.
template <class T>
void expect_right_results(Driven<T>& driven) {
  const Digest digest = driven.digest();
  EXPECT_EQ(digest.unwritten, 0);
  driven.finish();
  EXPECT_EQ(digest, driven.digest_of_results());
  const Verification verification = driven.verified();
  EXPECT_EQ(verification.status, VerificationStatus::kPassed) << verification.failure;
}

/// An iteration leaves such results.
template <class T>
void expect_right(Driven<T>& driven) {
  driven.iterate();
  expect_right_results(driven);
}

}  // namespace convscale::cuda
