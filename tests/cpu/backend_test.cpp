// SPDX-License-Identifier: Apache-2.0
#include "cpu/backend.hpp"

#include "bench/data/workload.hpp"
#include "bench/measure/verify.hpp"
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/kernel_table.hpp"
#include "common/thread_team.hpp"
#include "common/topology.hpp"
#include "cpu/kernel_table.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace convscale {
namespace {

/// A backend with its buffers, filled and ready.
class Session {
 public:
  explicit Session(const Config& config, const Assignment& assignment = {})
      : config_(config),
        images_(bytes(config.shape.pixels()), "images"),
        filters_(bytes(config.shape.taps()), "filters"),
        results_(bytes(config.shape.outputs()), "results"),
        backend_(make_cpu_backend(config, assignment, cpu_kernels())) {
    backend_->prepare({images_.data(), filters_.data(), results_.data()});
    ThreadTeam team(2);
    const Workload workload(config.shape, config.fill, config.seed);
    dispatch(config.dtype, [&]<class T>() {
      workload.fill(images_.as<T>().data(), filters_.as<T>().data(), team, assignment.first_image);
    });
    backend_->load();
  }

  Backend& backend() { return *backend_; }

  Digest iterate() {
    backend_->poison();
    backend_->wait(backend_->start({0, config_.shape.images}));
    return backend_->inspect(true).digest;
  }

  Verification verified() {
    ThreadTeam team(2);
    return dispatch(config_.dtype, [&]<class T>() {
      return verify<T>(config_.shape, images_.as<T>().data(), filters_.as<T>().data(),
                       results_.as<T>().data(), team);
    });
  }

 private:
  std::int64_t bytes(std::int64_t elements) const {
    return config_.shape.images * elements * size_of(config_.dtype);
  }

  Config config_;
  PageBuffer images_, filters_, results_;
  std::unique_ptr<Backend> backend_;
};

Config small_config() {
  Config config;
  config.shape = {.images = 7, .height = 61, .width = 47, .filter_size = 4, .stride = 5};
  config.num_workers = 2;
  return config;
}

/// The kernels that can do it, in the order of the table.
std::vector<std::string> kernels_for(const Config& config) {
  std::vector<std::string> names;
  for (const Kernel& kernel : cpu_kernels()) {
    if (why_not(kernel, Request(config)).empty()) names.emplace_back(kernel.name);
  }
  return names;
}

TEST(CpuBackend, IntegerDigestIsTheSameForEveryKernelScheduleWorkersMethodAndDtype) {
  std::set<std::uint64_t> digests;
  Config config = small_config();
  config.fill = Fill::kIntegers;
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    for (const int workers : {1, 3}) {
      for (const Method method : {Method::kFull, Method::kStrided}) {
        for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
          config.schedule = schedule;
          config.num_workers = workers;
          config.method = method;
          config.dtype = dtype;
          for (const std::string& kernel : kernels_for(config)) {
            config.kernel = kernel;
            Session session(config);
            const Digest digest = session.iterate();
            EXPECT_EQ(digest.unwritten, 0);
            digests.insert(digest.value);
          }
        }
      }
    }
  }
  EXPECT_EQ(digests.size(), 1u);
}

TEST(CpuBackend, RandomDataVerifiesForEveryScheduleAndMoreWorkersThanRows) {
  Config config = small_config();
  config.shape = {.images = 5, .height = 9, .width = 70, .filter_size = 6, .stride = 3};
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    for (const int workers : {1, 3, 30}) {
      for (const Method method : {Method::kFull, Method::kStrided}) {
        config.schedule = schedule;
        config.num_workers = workers;
        config.method = method;
        for (const std::string& kernel : kernels_for(config)) {
          config.kernel = kernel;
          Session session(config);
          EXPECT_EQ(session.iterate().unwritten, 0);
          const Verification verification = session.verified();
          EXPECT_EQ(verification.status, VerificationStatus::kPassed) << verification.failure;
        }
      }
    }
  }
}

TEST(CpuBackend, SampleOfShapesVerifiesForEveryScheduleAndDtype) {
  std::mt19937_64 random(testing::test_seed());
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int sample = 0; sample < 8; ++sample) {
    Config config = small_config();
    config.shape = {.images = between(1, 4),
                    .height = between(1, 60),
                    .width = between(1, 90),
                    .filter_size = between(1, 31),
                    .stride = between(1, 9)};
    config.num_workers = static_cast<int>(between(1, 5));
    config.seed = random();
    for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
      for (const Method method : {Method::kFull, Method::kStrided}) {
        for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
          config.schedule = schedule;
          config.method = method;
          config.dtype = dtype;
          Session session(config);
          EXPECT_EQ(session.iterate().unwritten, 0);
          const Verification verification = session.verified();
          EXPECT_EQ(verification.status, VerificationStatus::kPassed) << verification.failure;
        }
      }
    }
  }
}

TEST(CpuBackend, PoisonMarksEveryOutput) {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    Config config = small_config();
    config.schedule = schedule;
    Session session(config);
    session.iterate();
    session.backend().poison();
    EXPECT_EQ(session.backend().inspect(true).digest.unwritten,
              config.shape.images * config.shape.outputs());
  }
}

TEST(CpuBackend, RangesAddUpToTheWhole) {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    Config config = small_config();
    config.schedule = schedule;
    config.num_workers = 3;
    Session session(config);
    const Digest whole = session.iterate();

    Backend& backend = session.backend();
    backend.poison();
    backend.start({0, 1});
    backend.start({1, 5});
    const Backend::Ticket last = backend.start({5, 7});
    backend.wait(last);  // waits for the ones before it, too
    backend.wait(last);
    EXPECT_EQ(backend.inspect(true).digest, whole);

    backend.poison();
    backend.wait(backend.start({2, 4}));
    EXPECT_EQ(backend.inspect(true).digest.unwritten, 5 * config.shape.outputs());
  }
}

TEST(CpuBackend, PreparingKeepsWhatTheBuffersHold) {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kSplit}) {
    Config config = small_config();
    config.schedule = schedule;
    config.num_workers = 3;
    const auto bytes = [&](std::int64_t elements) {
      std::vector<std::byte> data(static_cast<std::size_t>(config.shape.images * elements * 8));
      for (std::size_t i = 0; i < data.size(); ++i) data[i] = std::byte(1 + i % 251);  // no zeros
      return data;
    };
    std::vector<std::byte> images = bytes(config.shape.pixels()),
                           filters = bytes(config.shape.taps()),
                           results = bytes(config.shape.outputs());
    make_cpu_backend(config, {}, cpu_kernels())
        ->prepare({images.data(), filters.data(), results.data()});
    EXPECT_EQ(images, bytes(config.shape.pixels()));
    EXPECT_EQ(filters, bytes(config.shape.taps()));
    EXPECT_EQ(results, bytes(config.shape.outputs()));
  }
}

TEST(CpuBackend, DigestsOfSharesAddUpToTheWhole) {
  Config config = small_config();
  const Digest whole = Session(config).iterate();
  Digest sum;
  for (const auto& [first, count] : {std::pair{0, 3}, {3, 4}}) {
    config.shape.images = count;
    sum += Session(config, {.first_image = first}).iterate();
  }
  EXPECT_EQ(sum, whole);
}

TEST(CpuBackend, FactsNameTheKernelAndTheProcessors) {
  Config config = small_config();
  const std::vector<int> order = Topology().order(Bind::kSpread);
  config.num_workers = static_cast<int>(order.size()) + 1;
  const BackendFacts facts = make_cpu_backend(config, {}, cpu_kernels())->facts();
  EXPECT_EQ(facts.kernel, kernels_for(config).front());
  ASSERT_EQ(facts.cpus.size(), order.size() + 1);
  EXPECT_EQ(facts.cpus.front(), order.front());
  EXPECT_EQ(facts.cpus.back(), order.front());  // the extra worker starts again from the first
  ASSERT_FALSE(facts.warnings.empty());
  EXPECT_NE(facts.warnings.front().find("share"), std::string::npos);

  config.bind = Bind::kNone;
  EXPECT_TRUE(make_cpu_backend(config, {}, cpu_kernels())->facts().cpus.empty());
}

TEST(CpuBackend, BusyTimeOfEachWorkerIsThatOfTheLastIteration) {
  Config config = small_config();
  config.num_workers = 3;
  Session session(config);
  session.iterate();
  const std::vector<double> busy = session.backend().inspect(true).busy_s;
  ASSERT_EQ(busy.size(), 3u);
  for (const double seconds : busy) EXPECT_GT(seconds, 0);
  session.backend().poison();
  EXPECT_EQ(session.backend().inspect(true).busy_s, std::vector<double>(3, 0.0));
}

}  // namespace
}  // namespace convscale
