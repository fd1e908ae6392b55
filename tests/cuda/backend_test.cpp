// SPDX-License-Identifier: Apache-2.0
// The backend as the program drives it.
#include "cuda/driven.hpp"

#include <gmock/gmock.h>

namespace convscale::cuda {
namespace {

using ::testing::HasSubstr;

class BackendTest : public DeviceTest {};

template <class T>
void expect_right(const Config& config, std::int64_t first_image = 0) {
  SCOPED_TRACE(std::string(name_of(config.method)) + " " + std::string(name_of(config.scope)) +
               " " + std::string(name_of(config.dtype)) + " " +
               std::string(name_of(config.host_memory)) + ", workers " +
               std::to_string(config.num_workers));
  Driven<T> driven(config, first_image);
  const Digest first = driven.iterate();
  expect_right(driven);
  EXPECT_EQ(driven.digest(), first);
}

TEST_F(BackendTest, MethodsScopesAndDtypes) {
  for (const Method method : {Method::kFull, Method::kStrided}) {
    for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
      expect_right<double>(small(scope, method));
      expect_right<float>(small(scope, method, Dtype::kFloat32));
    }
  }
}

TEST_F(BackendTest, PageableHostMemory) {
  Config config = small();
  config.host_memory = HostMemory::kPageable;
  expect_right<double>(config);
}

TEST_F(BackendTest, AnyNumberOfStreams) {
  for (const int workers : {1, 2, 9, 13}) {
    Config config = small(Scope::kEndToEnd, Method::kFull, Dtype::kFloat32);
    config.num_workers = workers;
    expect_right<float>(config);
    config.scope = Scope::kResident;
    expect_right<float>(config);
  }
}

TEST_F(BackendTest, ImagesThatBeginElsewhere) {
  expect_right<double>(small(Scope::kResident), 1000);
}

TEST_F(BackendTest, SameDigestInBothScopesAndForAnyStreams) {
  Config config = small(Scope::kResident, Method::kFull);
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
    Driven<double> driven(small(scope, Method::kFull));
    driven.poison();
    const Backend::Ticket first = driven.start({7, 9}), second = driven.start({0, 1}),
                          third = driven.start({1, 7});
    driven.wait(second);
    driven.wait(third);
    driven.wait(first);  // done with an earlier wait
    expect_right_results(driven);
  }
}

/// As images that arrive over the network are worked on.
TEST_F(BackendTest, RangesThatAreDoneNeedNoWaiting) {
  Driven<double> driven(small(Scope::kEndToEnd, Method::kFull));
  driven.poison();
  const Backend::Ticket first = driven.start({0, 4}), second = driven.start({4, 5}),
                        third = driven.start({5, 9});
  while (!driven.is_done(third)) {
  }
  EXPECT_TRUE(driven.is_done(first)) << "an earlier one";
  driven.wait(second);
  EXPECT_TRUE(driven.is_done(second)) << "waited for";
  driven.wait(third);
  expect_right_results(driven);
}

/// Without the last image the results must not look complete, as they would if those of the
/// iteration before were still there.
TEST_F(BackendTest, WhatIsNotStartedStaysPoisoned) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    Driven<double> driven(small(scope, Method::kFull));
    driven.iterate();
    driven.poison();
    driven.run({0, 8});
    EXPECT_EQ(driven.digest().unwritten, driven.config().shape.outputs());
  }
}

TEST_F(BackendTest, PhasesAndBusyTimes) {
  Driven<double> end_to_end(small(Scope::kEndToEnd, Method::kFull));
  EXPECT_GT(end_to_end.iterate().value, 0u);
  const Phases phases = end_to_end.phases();
  for (const double seconds : {phases.upload_s, phases.kernel_s, phases.download_s})
    EXPECT_GT(seconds, 0);
  EXPECT_EQ(end_to_end.busy_s().size(), 3u);
  for (const double busy : end_to_end.busy_s()) EXPECT_GT(busy, 0);

  Driven<double> resident(small(Scope::kResident, Method::kFull));
  resident.iterate();
  EXPECT_EQ(resident.phases().upload_s, 0);
  EXPECT_GT(resident.phases().kernel_s, 0);
}

TEST_F(BackendTest, CeilingsAreMeasured) {
  for (const Scope scope : {Scope::kEndToEnd, Scope::kResident}) {
    Driven<float> driven(small(scope, Method::kFull, Dtype::kFloat32));
    const Ceilings ceilings = driven.measure_ceilings();
    for (const auto& ceiling :
         {ceilings.read_bytes_per_s, ceilings.copy_bytes_per_s, ceilings.peak_flops_per_s})
      EXPECT_GT(ceiling.value_or(0), 0);
    for (const auto& ceiling :
         {ceilings.up_bytes_per_s, ceilings.down_bytes_per_s, ceilings.duplex_bytes_per_s}) {
      EXPECT_EQ(ceiling.has_value(), scope == Scope::kEndToEnd) << "else nothing travels";
      EXPECT_GT(ceiling.value_or(1), 0);
    }
    expect_right(driven);  // the inputs are as before
  }
}

TEST_F(BackendTest, Facts) {
  const Config config = small();
  const BackendFacts facts = made(config)->facts();
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
  EXPECT_EQ(made(resident)->facts().transfer.up_bytes, 0);
  EXPECT_EQ(made(resident)->facts().last_cache_bytes, 0) << "it is flushed";
}

TEST_F(BackendTest, Refusals) {
  Config config = small(Scope::kEndToEnd, Method::kFull);
  config.schedule = Schedule::kSplit;
  EXPECT_THAT(refusal(config), HasSubstr("3 --schedule split: backend cuda deals whole images"));
  config.schedule = Schedule::kStatic;
  config.devices = {7000};
  EXPECT_THAT(refusal(config), HasSubstr("3 --devices 7000: this machine has "));
  config.devices = {0};
  config.shape.width = (std::int64_t{1} << 30) + 1;
  EXPECT_THAT(refusal(config), HasSubstr("3 --size: backend cuda takes images of less than"));
}

}  // namespace
}  // namespace convscale::cuda
