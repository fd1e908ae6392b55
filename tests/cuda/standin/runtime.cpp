// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/standin/runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace convscale::standin {
namespace {

/// What belongs to a thread of the host; anew after each reset.
struct ThreadState {
  std::uint64_t epoch = 0;
  int device = 0;
  cudaError_t last_error = cudaSuccess;
};

ThreadState& thread_state(std::uint64_t epoch) {
  thread_local ThreadState state;
  if (state.epoch != epoch) state = {epoch, 0, cudaSuccess};
  return state;
}

cudaError_t driver_error(const Options& options) {
  if (options.driver != Driver::kPresent) return cudaErrorInsufficientDriver;
  return options.devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}

/// The failure that a test planned for this call.
cudaError_t planned_failure(Runtime& runtime, const char* name) {
  for (auto planned = runtime.planned.begin(); planned != runtime.planned.end(); ++planned) {
    if (planned->call != name || --planned->countdown > 0) continue;
    const Planned now = *planned;
    runtime.planned.erase(planned);
    if (!now.later) return now.error;
    runtime.failure_of_next = now.error;
    break;
  }
  return cudaSuccess;
}

}  // namespace

Runtime& Runtime::instance() {
  static auto* runtime = new Runtime;  // threads of the host may outlive static objects
  return *runtime;
}

int& Runtime::current_device() const { return thread_state(epoch_).device; }
cudaError_t& Runtime::last_error() const { return thread_state(epoch_).last_error; }

void Runtime::reset(const Options& new_options) {
  for (const CUstream_st* stream : all_streams(-1)) {
    if (stream->last != nullptr) acquire(stream->last.get());
  }
  for (const Device& device : devices) {
    for (const MarkerPtr& marker : device.gone) acquire(marker.get());
  }
  drop_queues(-1);
  streams.clear();
  events.clear();
  devices.clear();
  allocations.clear();
  registrations.clear();
  shared_limits.clear();
  planned.clear();
  lost_uploads.clear();
  calls.clear();
  faults.clear();
  launches.clear();
  copied = {};
  host_ms = 0;
  device_loaded_bytes = 0;
  failure_of_next = cudaSuccess;
  options = new_options;
  random = Random(options.seed);
  passed_ms = 0;
  ++epoch_;
  devices.resize(static_cast<std::size_t>(options.devices));
  for (int d = 0; d < options.devices; ++d)
    devices[static_cast<std::size_t>(d)].legacy = std::make_unique<CUstream_st>(d);
}

void Runtime::report(const std::string& fault) {
  std::fprintf(stderr, "CUDA stand-in: %s\n", fault.c_str());
  faults.push_back(fault);
}

cudaError_t call(const char* name, Needs needs, const std::function<cudaError_t(Runtime&)>& body) {
  Runtime& runtime = Runtime::instance();
  const std::scoped_lock lock(runtime.mutex);
  ++runtime.calls[name];
  runtime.current_call = name;
  const cudaError_t planned = planned_failure(runtime, name);
  cudaError_t error = needs == Needs::kNothing ? cudaSuccess : driver_error(runtime.options);
  if (error == cudaSuccess) {
    const bool checks = needs == Needs::kDevice || needs == Needs::kRelease;
    const cudaError_t before = checks ? runtime.device().lost : cudaSuccess;
    error = planned != cudaSuccess ? planned : before;
    if (error == cudaSuccess || needs == Needs::kRelease) {
      const cudaError_t own = body(runtime);
      if (error == cudaSuccess) error = own;
    }
  }
  runtime.failure_of_next = cudaSuccess;
  if (error != cudaSuccess && needs != Needs::kNothing) runtime.last_error() = error;
  return error;
}

// --- What tests call ---

namespace {

/// The runtime, which nobody else uses while this lives.
class Locked {
 public:
  Runtime* operator->() const { return &runtime_; }

 private:
  Runtime& runtime_ = Runtime::instance();
  std::scoped_lock<std::mutex> lock_{runtime_.mutex};
};

}  // namespace

void reset(const Options& options) { Locked()->reset(options); }
void fail(std::string_view call, cudaError_t error, int nth) {
  Locked()->planned.push_back({std::string(call), error, nth, /*later=*/false});
}
void fail_later(std::string_view call, cudaError_t error, int nth) {
  Locked()->planned.push_back({std::string(call), error, nth, /*later=*/true});
}
void pass(float milliseconds) { Runtime::instance().passed_ms += milliseconds; }
void lose_uploads(std::string_view call) { Locked()->lost_uploads.emplace(call); }
std::int64_t loaded_bytes() { return device_loaded_bytes; }
Copied copied() { return Locked()->copied; }
std::vector<Launch> launches() { return Locked()->launches; }
std::vector<std::string> faults() { return Locked()->faults; }

Live live() {
  const Locked runtime;
  Live live;
  live.device_allocations = static_cast<int>(runtime->allocations.size());
  for (const Device& device : runtime->devices)
    live.device_bytes += static_cast<std::int64_t>(device.used_bytes);
  live.registrations = static_cast<int>(runtime->registrations.size());
  live.streams = static_cast<int>(
      std::ranges::count_if(runtime->streams, [](const auto& s) { return !s->destroyed; }));
  live.events = static_cast<int>(runtime->events.size());
  return live;
}

std::vector<std::span<const std::byte>> device_memory() {
  const Locked runtime;
  std::vector<std::span<const std::byte>> all;
  for (const auto& [address, allocation] : runtime->allocations)
    all.emplace_back(reinterpret_cast<const std::byte*>(address), allocation.bytes);
  return all;
}

std::int64_t calls(std::string_view call) {
  const Locked runtime;
  const auto found = runtime->calls.find(call);
  return found == runtime->calls.end() ? 0 : found->second;
}

}  // namespace convscale::standin

using convscale::standin::call;
using convscale::standin::Needs;
using convscale::standin::Runtime;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define CONVSCALE_STANDIN_NAME(name, value, text) \
  case name:                                      \
    return #name;
    CONVSCALE_STANDIN_ERRORS(CONVSCALE_STANDIN_NAME)
#undef CONVSCALE_STANDIN_NAME
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define CONVSCALE_STANDIN_TEXT(name, value, text) \
  case name:                                      \
    return text;
    CONVSCALE_STANDIN_ERRORS(CONVSCALE_STANDIN_TEXT)
#undef CONVSCALE_STANDIN_TEXT
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() {
  return call("cudaGetLastError", Needs::kNothing, [](Runtime& runtime) {
    const cudaError_t error = std::exchange(runtime.last_error(), cudaSuccess);
    return error == cudaSuccess && !runtime.devices.empty() ? runtime.device().lost : error;
  });
}

// NOLINTEND(readability-identifier-naming)
