// SPDX-License-Identifier: Apache-2.0
// A libnvidia-ml.so.1 for tests, with one device at 0000:3b:00.0. What it says follows the
// environment at each call:
//
// FAKE_NVML_INIT      status of nvmlInit_v2 (0)
// FAKE_NVML_FAIL      name of a function that answers "not supported"
// FAKE_NVML_REASONS   clocks event reasons (0)
// FAKE_NVML_SM_MHZ    SM clock (1980)
// FAKE_NVML_POWER_NS, FAKE_NVML_THERMAL_NS, FAKE_NVML_TIME_US   the violation counters (0)
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kInvalidArgument = 2, kNotSupported = 3, kNotFound = 6, kUninitialized = 1;
constexpr const char* kBusId = "0000:3b:00.0";

bool initialized = false;
int device;

unsigned long long number(const char* variable, unsigned long long otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

/// 0, or why a function that is called with `handle` does not answer.
int trouble(const char* function, const void* handle) {
  if (!initialized) return kUninitialized;
  if (handle != &device) return kInvalidArgument;
  const char* fail = std::getenv("FAKE_NVML_FAIL");
  return fail != nullptr && std::strcmp(fail, function) == 0 ? kNotSupported : 0;
}

int answer(int status, unsigned* out, unsigned long long value) {
  if (status == 0) *out = static_cast<unsigned>(value);
  return status;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVML's
extern "C" {

struct FakeViolationTime {
  unsigned long long reference_us, violation_ns;
};

int nvmlInit_v2() {
  const int status = static_cast<int>(number("FAKE_NVML_INIT", 0));
  initialized = status == 0;
  return status;
}

int nvmlSystemGetDriverVersion(char* text, unsigned bytes) {
  if (!initialized) return kUninitialized;
  std::strncpy(text, "580.65.06", bytes);
  return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, void** handle) {
  if (!initialized) return kUninitialized;
  if (std::strcmp(bus_id, kBusId) != 0) return kNotFound;
  *handle = &device;
  return 0;
}

int nvmlDeviceGetClockInfo(void* handle, int clock, unsigned* megahertz) {
  return answer(trouble("nvmlDeviceGetClockInfo", handle), megahertz,
                clock == 1 ? number("FAKE_NVML_SM_MHZ", 1980) : 3201);
}

int nvmlDeviceGetMaxClockInfo(void* handle, int clock, unsigned* megahertz) {
  return answer(trouble("nvmlDeviceGetMaxClockInfo", handle), megahertz, clock == 1 ? 1980 : 3201);
}

int nvmlDeviceGetEnforcedPowerLimit(void* handle, unsigned* milliwatts) {
  return answer(trouble("nvmlDeviceGetEnforcedPowerLimit", handle), milliwatts, 700000);
}

// By the name that drivers before 535 know alone.
int nvmlDeviceGetCurrentClocksThrottleReasons(void* handle, unsigned long long* reasons) {
  const int status = trouble("nvmlDeviceGetCurrentClocksThrottleReasons", handle);
  if (status == 0) *reasons = number("FAKE_NVML_REASONS", 0);
  return status;
}

int nvmlDeviceGetViolationStatus(void* handle, int policy, FakeViolationTime* time) {
  const int status = trouble("nvmlDeviceGetViolationStatus", handle);
  if (status == 0) {
    *time = {number("FAKE_NVML_TIME_US", 0),
             number(policy == 0 ? "FAKE_NVML_POWER_NS" : "FAKE_NVML_THERMAL_NS", 0)};
  }
  return status;
}
}
// NOLINTEND(readability-identifier-naming)
