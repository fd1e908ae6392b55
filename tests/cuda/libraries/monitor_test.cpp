// SPDX-License-Identifier: Apache-2.0
#include "cuda/monitor.hpp"

#include "cuda/libraries/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

using ::convscale::testing::Variable;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kBusId = "0000:3b:00.0";

/// One sample for each mask; `clocks_hz` beside them as far as they go.
std::vector<ClockSample> samples_of(const std::vector<std::uint64_t>& reasons,
                                    const std::vector<double>& clocks_hz = {}) {
  std::vector<ClockSample> samples(reasons.size());
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    samples[i].reasons = reasons[i];
    if (i < clocks_hz.size()) samples[i].sm_clock_hz = clocks_hz[i];
  }
  return samples;
}

TEST(SlowdownsTest, AreNoneWithoutSamplesOrReasons) {
  EXPECT_THAT(slowdowns(0, {}, std::nullopt), IsEmpty());
  EXPECT_THAT(slowdowns(0, std::vector<ClockSample>(3), 1.98e9), IsEmpty());
  EXPECT_THAT(slowdowns(0, samples_of({0, 0, 0}), 1.98e9), IsEmpty());
}

TEST(SlowdownsTest, AreNotIdlenessOrClocksThatSomebodySet) {
  // Idle, application clocks, display clocks, and bits that newer drivers may have.
  EXPECT_THAT(slowdowns(0, samples_of({0, 0x1, 0x2, 0x100, 0x103, 0x400}), 1.98e9), IsEmpty());
}

TEST(SlowdownsTest, CountSamplesAfterTheFirstAndNameTheLowestClock) {
  EXPECT_THAT(
      slowdowns(2, samples_of({0x4, 0x4, 0x0, 0x5}, {1.0e9, 1.5e9, 1.2e9, 1.41e9}), 1.98e9),
      ElementsAre("device 2 was slowed down by its power limit in 2 of 3 samples (SM clock 1.41 "
                  "GHz of 1.98 GHz)"));
  EXPECT_THAT(slowdowns(0, samples_of({0x4, 0, 0}), 1.98e9), IsEmpty());
}

TEST(SlowdownsTest, LeaveOutWhatIsNotKnown) {
  std::vector<ClockSample> samples = samples_of({0, 0x4, 0x4, 0x4});
  samples[1].reasons.reset();
  EXPECT_THAT(slowdowns(0, samples, 1.98e9),
              ElementsAre("device 0 was slowed down by its power limit in 2 of 2 samples"));
  samples[3].sm_clock_hz = 1e9;
  EXPECT_THAT(slowdowns(0, samples, std::nullopt),
              ElementsAre("device 0 was slowed down by its power limit in 2 of 2 samples (SM clock "
                          "1.00 GHz)"));
}

TEST(SlowdownsTest, TellTheCausesApart) {
  const auto cause = [](std::uint64_t reasons) {
    return slowdowns(0, samples_of({0, reasons}), std::nullopt);
  };
  const auto by = [](const std::string& what) {
    return "device 0 was slowed down by " + what + " in 1 of 1 samples";
  };
  for (const std::uint64_t heat :
       {0x20u, 0x40u, 0x60u, 0x48u})  // the last: the general bit beside another
    EXPECT_THAT(cause(heat), ElementsAre(by("its temperature"))) << heat;
  EXPECT_THAT(cause(0x80), ElementsAre(by("the power brake of its supply")));
  EXPECT_THAT(cause(0x88), ElementsAre(by("the power brake of its supply")));
  EXPECT_THAT(cause(0x10), ElementsAre(by("the clock of another device (sync boost)")));
  EXPECT_THAT(cause(0x08), ElementsAre(by("its hardware (heat or a peak of power)")));
  EXPECT_THAT(cause(0x24), ElementsAre(by("its power limit"), by("its temperature")));
}

TEST(SlowdownsTest, FollowTheDriversCountersWhereSamplesMissedIt) {
  std::vector<ClockSample> samples = samples_of({0, 0, 0});
  samples.front().time_s = 100;
  samples.front().power_violation_s = 7;
  samples.front().thermal_violation_s = 1;
  samples.back().time_s = 110;
  samples.back().power_violation_s = 9.5;
  samples.back().thermal_violation_s = 1.05;  // half a percent is nothing
  const char* by_power =
      "device 0 was slowed down by its power limit for 25 % of the time, as its driver counts";
  EXPECT_THAT(slowdowns(0, samples, 1.98e9), ElementsAre(by_power));
  samples[1].reasons = 0x4;  // seen in a sample, it is reported once
  EXPECT_THAT(slowdowns(0, samples, 1.98e9),
              ElementsAre("device 0 was slowed down by its power limit in 1 of 2 samples"));
  samples[1].reasons = 0;
  samples.back().time_s = 100;  // no time has passed
  EXPECT_THAT(slowdowns(0, samples, 1.98e9), IsEmpty());
  samples.back().time_s.reset();
  EXPECT_THAT(slowdowns(0, samples, 1.98e9), IsEmpty());
}

TEST(MonitorTest, DescribesTheDevice) {
  std::optional<Monitor> monitor = Monitor::open(0, kBusId);
  ASSERT_TRUE(monitor);
  DeviceInfo info;
  monitor->describe(info);
  EXPECT_EQ(info.driver_version, "580.65.06");
  EXPECT_EQ(info.max_sm_clock_hz, 1.98e9);
  EXPECT_EQ(info.memory_clock_hz, 3.201e9);
  EXPECT_EQ(info.power_limit_w, 700);
  EXPECT_EQ(info.sm_clock_hz, std::nullopt) << "known only once it worked";
}

TEST(MonitorTest, TakesSamplesWhileItWorks) {
  std::optional<Monitor> monitor = Monitor::open(3, kBusId);
  ASSERT_TRUE(monitor);
  EXPECT_THAT(monitor->slowdowns(), IsEmpty());
  for (const char* clock : {"1700", "1500", "1600"}) {
    const Variable reasons("FAKE_NVML_REASONS", "0x4"), megahertz("FAKE_NVML_SM_MHZ", clock);
    monitor->sample();
  }
  monitor->sample();
  DeviceInfo info;
  monitor->describe(info);
  EXPECT_EQ(info.sm_clock_hz, 1.65e9);
  EXPECT_THAT(monitor->slowdowns(),
              ElementsAre("device 3 was slowed down by its power limit in 3 of 4 samples (SM clock "
                          "1.50 GHz of 1.98 GHz)"));
}

TEST(MonitorTest, ReadsTheCountersInTheirUnits) {
  std::optional<Monitor> monitor = Monitor::open(0, kBusId);
  ASSERT_TRUE(monitor);
  const Variable time("FAKE_NVML_TIME_US", "2000000"), heat("FAKE_NVML_THERMAL_NS", "600000000");
  monitor->sample();
  EXPECT_THAT(
      monitor->slowdowns(),
      ElementsAre("device 0 was slowed down by its temperature for 30 % of the time, as its "
                  "driver counts"));
}

TEST(MonitorTest, KnowsLessWhereTheDriverDoes) {
  for (const char* function :
       {"nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo", "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetViolationStatus"}) {
    const Variable fail("FAKE_NVML_FAIL", function);
    std::optional<Monitor> monitor = Monitor::open(0, kBusId);
    ASSERT_TRUE(monitor) << function;
    monitor->sample();
    EXPECT_THAT(monitor->slowdowns(), IsEmpty());
    DeviceInfo info;
    monitor->describe(info);
    const std::string name = function;
    EXPECT_EQ(info.sm_clock_hz.has_value(), name != "nvmlDeviceGetClockInfo");
    EXPECT_EQ(info.memory_clock_hz.has_value(), name != "nvmlDeviceGetClockInfo");
    EXPECT_EQ(info.max_sm_clock_hz.has_value(), name != "nvmlDeviceGetMaxClockInfo");
    EXPECT_EQ(info.power_limit_w.has_value(), name != "nvmlDeviceGetEnforcedPowerLimit");
  }
}

TEST(MonitorTest, IsNoneForADeviceThatNvmlDoesNotKnow) {
  EXPECT_FALSE(Monitor::open(0, "0000:00:00.0"));
}

TEST(MonitorDeathTest, IsNoneWhereNvmlCannotBeInitialised) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process that has not loaded it yet
  EXPECT_EXIT(
      {
        const Variable fails("FAKE_NVML_INIT", "9");
        std::_Exit(Monitor::open(0, kBusId) ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace convscale::cuda
