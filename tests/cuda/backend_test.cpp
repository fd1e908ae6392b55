// SPDX-License-Identifier: Apache-2.0
// The backend as the runner drives it.
#include "cuda/backend.hpp"

#include "bench/data/workload.hpp"
#include "bench/measure/verify.hpp"
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/thread_team.hpp"
#include "cuda/driven.hpp"

#include <gmock/gmock.h>

namespace convscale::cuda {
namespace {

using ::testing::HasSubstr;

class BackendTest : public DeviceTest {};

Config small(Method method, Scope scope, Dtype dtype) {
  Config config;
  config.backend = "cuda";
  config.shape = {9, 20, 28, 4, 5};
  config.method = method;
  config.scope = scope;
  config.dtype = dtype;
  config.num_workers = 3;
  return config;
}

template <class T>
void expect_right(const Config& config, const Assignment& assignment = {}) {
  SCOPED_TRACE(std::string(name_of(config.method)) + " " + std::string(name_of(config.scope)) +
               " " + std::string(name_of(config.dtype)) + " " +
               std::string(name_of(config.host_memory)) + ", workers " +
               std::to_string(config.num_workers));
  Driven<T> driven(config, assignment);
  const Digest first = driven.iterate();
  EXPECT_EQ(first.unwritten, 0);
  EXPECT_EQ(driven.iterate(), first);
  driven.backend().finish();
  const Verification verification = driven.verified();
  EXPECT_EQ(verification.status, VerificationStatus::kPassed) << verification.failure;
  EXPECT_EQ(first, driven.digest_of_results());
}

TEST_F(BackendTest, MethodsScopesAndDtypes) {
  for (const Method method : {Method::kFull, Method::kStrided}) {
    for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
      expect_right<double>(small(method, scope, Dtype::kFloat64));
      expect_right<float>(small(method, scope, Dtype::kFloat32));
    }
  }
}

TEST_F(BackendTest, PageableHostMemory) {
  Config config = small(Method::kStrided, Scope::kEndToEnd, Dtype::kFloat64);
  config.host_memory = HostMemory::kPageable;
  expect_right<double>(config);
}

TEST_F(BackendTest, AnyNumberOfStreams) {
  for (const int workers : {1, 2, 9, 13}) {
    Config config = small(Method::kFull, Scope::kEndToEnd, Dtype::kFloat32);
    config.num_workers = workers;
    expect_right<float>(config);
    config.scope = Scope::kResident;
    expect_right<float>(config);
  }
}

TEST_F(BackendTest, ImagesThatBeginElsewhere) {
  expect_right<double>(small(Method::kStrided, Scope::kResident, Dtype::kFloat64),
                       {.first_image = 1000});
}

TEST_F(BackendTest, SameDigestInBothScopesAndForAnyStreams) {
  Config config = small(Method::kFull, Scope::kResident, Dtype::kFloat64);
  config.fill = Fill::kIntegers;
  const Digest digest = Driven<double>(config).iterate();
  config.scope = Scope::kEndToEnd;
  config.num_workers = 1;
  config.kernel = "direct";
  EXPECT_EQ(Driven<double>(config).iterate(), digest);
  config.dtype = Dtype::kFloat32;
  config.method = Method::kStrided;
  EXPECT_EQ(Driven<float>(config).iterate(), digest) << "exact data: whatever computes it";
}

TEST_F(BackendTest, RangesInAnyOrder) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    Driven<double> driven(small(Method::kFull, scope, Dtype::kFloat64));
    Backend& backend = driven.backend();
    backend.poison();
    const Backend::Ticket first = backend.start({7, 9}), second = backend.start({0, 1}),
                          third = backend.start({1, 7});
    backend.wait(second);
    backend.wait(third);
    backend.wait(first);  // done with an earlier wait
    EXPECT_EQ(backend.inspect().digest.unwritten, 0);
    backend.finish();
    EXPECT_EQ(driven.verified().status, VerificationStatus::kPassed);
  }
}

/// As images that arrive over the network are worked on.
TEST_F(BackendTest, RangesThatAreDoneNeedNoWaiting) {
  Driven<double> driven(small(Method::kFull, Scope::kEndToEnd, Dtype::kFloat64));
  Backend& backend = driven.backend();
  backend.poison();
  const Backend::Ticket first = backend.start({0, 4}), second = backend.start({4, 5}),
                        third = backend.start({5, 9});
  while (!backend.is_done(third)) {
  }
  EXPECT_TRUE(backend.is_done(first)) << "an earlier one";
  backend.wait(second);
  EXPECT_TRUE(backend.is_done(second)) << "waited for";
  backend.wait(third);
  EXPECT_EQ(backend.inspect().digest.unwritten, 0);
  EXPECT_EQ(driven.verified().status, VerificationStatus::kPassed);
}

/// Without the last image the results must not look complete, as they would if those of the
/// iteration before were still there.
TEST_F(BackendTest, WhatIsNotStartedStaysPoisoned) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    Driven<double> driven(small(Method::kFull, scope, Dtype::kFloat64));
    driven.iterate();
    driven.backend().poison();
    driven.backend().wait(driven.backend().start({0, 8}));
    EXPECT_EQ(driven.backend().inspect().digest.unwritten, driven.config().shape.outputs());
  }
}

TEST_F(BackendTest, PhasesAndBusyTimes) {
  Driven<double> end_to_end(small(Method::kFull, Scope::kEndToEnd, Dtype::kFloat64));
  EXPECT_GT(end_to_end.iterate().value, 0u);
  const auto phases = end_to_end.backend().inspect().phases;
  ASSERT_TRUE(phases);
  EXPECT_GT(phases->upload_s, 0);
  EXPECT_GT(phases->kernel_s, 0);
  EXPECT_GT(phases->download_s, 0);
  EXPECT_EQ(end_to_end.backend().inspect().busy_s.size(), 3u);
  for (const double busy : end_to_end.backend().inspect().busy_s) EXPECT_GT(busy, 0);

  Driven<double> resident(small(Method::kFull, Scope::kResident, Dtype::kFloat64));
  resident.iterate();
  EXPECT_EQ(resident.backend().inspect().phases->upload_s, 0);
  EXPECT_GT(resident.backend().inspect().phases->kernel_s, 0);
}

TEST_F(BackendTest, CeilingsAreMeasured) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    Driven<float> driven(small(Method::kFull, scope, Dtype::kFloat32));
    const Ceilings ceilings = driven.backend().measure_ceilings();
    for (const auto& ceiling :
         {ceilings.read_bytes_per_s, ceilings.copy_bytes_per_s, ceilings.peak_flops_per_s})
      EXPECT_GT(ceiling.value_or(0), 0);
    for (const auto& ceiling :
         {ceilings.up_bytes_per_s, ceilings.down_bytes_per_s, ceilings.duplex_bytes_per_s}) {
      EXPECT_EQ(ceiling.has_value(), scope == Scope::kEndToEnd) << "else nothing travels";
      EXPECT_GT(ceiling.value_or(1), 0);
    }
    EXPECT_EQ(driven.iterate().unwritten, 0);
    driven.backend().finish();
    EXPECT_EQ(driven.verified().status, VerificationStatus::kPassed) << "the inputs are as before";
  }
}

TEST_F(BackendTest, Facts) {
  const Config config = small(Method::kStrided, Scope::kEndToEnd, Dtype::kFloat64);
  const BackendFacts facts = cuda_backend().create(config, {})->facts();
  EXPECT_EQ(facts.kernel, "vector");
  EXPECT_EQ(facts.line_bytes, 32);
  EXPECT_FALSE(facts.quantised) << "a device takes images apart";
  ASSERT_EQ(facts.devices.size(), 1u);
  EXPECT_EQ(facts.device, facts.devices[0].name);
  EXPECT_GT(facts.devices[0].memory_bytes, 0);
  EXPECT_GT(facts.last_cache_bytes, 0);
  // Rows 0, 2..5, 7..10, 12..15, 17..19 of 20, and the filters.
  EXPECT_EQ(facts.transfer.up_bytes, 9 * ((1 + 3 * 4 + 3) * 28 + 16) * 8);
  EXPECT_EQ(facts.transfer.down_bytes, 9 * config.shape.outputs() * 8);
  Config resident = config;
  resident.scope = Scope::kResident;
  EXPECT_EQ(cuda_backend().create(resident, {})->facts().transfer.up_bytes, 0);
  EXPECT_EQ(cuda_backend().create(resident, {})->facts().last_cache_bytes, 0) << "it is flushed";
}

std::string refusal(const Config& config) {
  try {
    cuda_backend().create(config, {});
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
  return "created";
}

TEST_F(BackendTest, Refusals) {
  Config config = small(Method::kFull, Scope::kEndToEnd, Dtype::kFloat64);
  config.schedule = Schedule::kSplit;
  EXPECT_THAT(refusal(config), HasSubstr("3 --schedule split: backend cuda deals whole images"));
  config.schedule = Schedule::kStatic;
  config.devices = {7000};
  EXPECT_THAT(refusal(config), HasSubstr("3 --devices 7000: this machine has "));
  config.devices = {0};
  config.kernel = "nonesuch";
  EXPECT_THAT(refusal(config), HasSubstr("2 --kernel nonesuch: no such kernel of backend cuda"));
  config.kernel = "vector";
  EXPECT_THAT(refusal(config), HasSubstr("3 --kernel vector: it does method strided only"));
  config.kernel = "auto";
  config.shape.width = (std::int64_t{1} << 30) + 1;
  EXPECT_THAT(refusal(config), HasSubstr("3 --size: backend cuda takes images of less than"));
}

TEST_F(BackendTest, Lists) {
  const BackendEntry entry = cuda_backend();
  EXPECT_EQ(entry.kernels().front().name, "vector");
  for (const Listing& device : entry.devices()) EXPECT_EQ(device.unsupported, "");
}

}  // namespace
}  // namespace convscale::cuda
