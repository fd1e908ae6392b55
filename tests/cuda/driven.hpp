// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/workload.hpp"
#include "bench/measure/verify.hpp"
#include "common/buffer.hpp"
#include "common/digest.hpp"
#include "common/thread_team.hpp"
#include "cuda/backend.hpp"
#include "cuda/device_test.hpp"

#include <memory>
#include <span>

namespace convscale::cuda {

/// A backend with a workload, driven as the runner does it.
template <class T>
class Driven {
 public:
  explicit Driven(const Config& config, const Assignment& assignment = {})
      : config_(config),
        assignment_(assignment),
        images_(config.shape.images * config.shape.pixels() * size_of(config.dtype), "images"),
        filters_(config.shape.images * config.shape.taps() * size_of(config.dtype), "filters"),
        results_(config.shape.images * config.shape.outputs() * size_of(config.dtype), "results"),
        backend_(cuda_backend().create(config, assignment)) {
    backend_->prepare({images_.data(), filters_.data(), results_.data()});
    Workload(config.shape, config.fill, config.seed)
        .fill(images_.as<T>().data(), filters_.as<T>().data(), team_, assignment.first_image);
    backend_->load();
  }

  Backend& backend() { return *backend_; }
  const Config& config() const { return config_; }

  /// One iteration and the digest of its results.
  Digest iterate() {
    backend_->poison();
    backend_->wait(backend_->start({0, config_.shape.images}));
    return backend_->inspect().digest;
  }
  /// Of the results in the host's buffer.
  Digest digest_of_results() const {
    return digest_of(std::span<const T>(results_.as<T>()),
                     static_cast<std::uint64_t>(assignment_.first_image * config_.shape.outputs()));
  }
  Verification verified() {
    return verify<T>(config_.shape, images_.as<T>().data(), filters_.as<T>().data(),
                     results_.as<T>().data(), team_);
  }

 private:
  Config config_;
  Assignment assignment_;
  ThreadTeam team_{1};
  PageBuffer images_, filters_, results_;  // before the backend, which may still copy to them
  std::unique_ptr<Backend> backend_;
};

/// An iteration leaves all outputs, as the reference has them.
inline void expect_right(Driven<double>& driven) {
  const Digest digest = driven.iterate();
  EXPECT_EQ(digest.unwritten, 0);
  driven.backend().finish();
  EXPECT_EQ(digest, driven.digest_of_results());
  const Verification verification = driven.verified();
  EXPECT_EQ(verification.status, VerificationStatus::kPassed) << verification.failure;
}

}  // namespace convscale::cuda
