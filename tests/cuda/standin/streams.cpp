// SPDX-License-Identifier: Apache-2.0
// Streams and events: what is queued, and who runs it when.
#include "tests/cuda/standin/runtime.hpp"

#include <algorithm>
#include <utility>

namespace convscale::standin {

CUstream_st* Runtime::find(cudaStream_t handle) {
  if (handle == nullptr) return device().legacy.get();
  for (const auto& stream : streams) {
    if (stream.get() == handle && !stream->destroyed) return stream.get();
  }
  return nullptr;
}

std::vector<CUstream_st*> Runtime::all_streams(int device) {
  std::vector<CUstream_st*> all;
  for (std::size_t d = 0; d < devices.size(); ++d) {
    if (device < 0 || device == static_cast<int>(d)) all.push_back(devices[d].legacy.get());
  }
  for (const auto& stream : streams) {
    if (device < 0 || stream->device == device) all.push_back(stream.get());
  }
  return all;
}

MarkerPtr Runtime::enqueue(CUstream_st& stream, Work* work, std::function<void()> on_done,
                           std::vector<MarkerPtr> after) {
  auto marker = std::make_shared<Marker>();
  marker->stream = &stream;
  const auto cost = options.costs_ms.find(current_call);
  stream.queue.push_back({work, std::move(after), marker,
                          std::exchange(failure_of_next, cudaSuccess), std::move(on_done), host_ms,
                          cost == options.costs_ms.end() ? 0 : cost->second});
  stream.last = marker;
  release(&stream.queue.back());
  if (options.progress == Progress::kEarly) {
    while (!marker->done) run_front(next_towards(marker));
  } else if (options.progress == Progress::kAny) {
    make_progress();
  }
  return marker;
}

bool Runtime::runnable(const CUstream_st& stream) const {
  const auto done = [](const MarkerPtr& marker) { return marker->done; };
  return !stream.queue.empty() &&
         std::all_of(stream.queue.front().after.begin(), stream.queue.front().after.end(), done);
}

/// Adds the streams in which something has to run before `marker`.
void Runtime::collect(const MarkerPtr& marker, std::vector<CUstream_st*>& needed) const {
  if (marker->done) return;
  if (std::find(needed.begin(), needed.end(), marker->stream) == needed.end())
    needed.push_back(marker->stream);
  for (const Operation& operation : marker->stream->queue) {
    for (const MarkerPtr& before : operation.after) collect(before, needed);
    if (operation.marker == marker) break;
  }
}

/// A stream whose front has to run before `marker`, and can.
CUstream_st& Runtime::next_towards(const MarkerPtr& marker) {
  if (options.seed == 0) {
    CUstream_st* stream = marker->stream;
    while (!runnable(*stream)) {
      const auto& after = stream->queue.front().after;
      stream = (*std::find_if(after.begin(), after.end(), [](const MarkerPtr& before) {
                 return !before->done;
               }))->stream;
    }
    return *stream;
  }
  std::vector<CUstream_st*> needed;
  collect(marker, needed);
  std::erase_if(needed, [&](const CUstream_st* stream) { return !runnable(*stream); });
  return *needed[random.below(needed.size())];
}

/// Some of what could run, though nobody waits for it yet.
void Runtime::make_progress() {
  std::vector<CUstream_st*> able = all_streams(-1);
  while (true) {
    std::erase_if(able, [&](const CUstream_st* stream) { return !runnable(*stream); });
    if (able.empty() || random.below(2) == 0) return;
    run_front(*able[random.below(able.size())]);
  }
}

void Runtime::run_front(CUstream_st& stream) {
  Operation& operation = stream.queue.front();
  stream.current = &operation;
  stream.result = operation.failure;
  stream.fiber.resume();
  operation.marker->time = std::chrono::steady_clock::now();
  double begin_ms = std::max(operation.queued_at_ms, stream.ran ? stream.ran->modelled_ms : 0);
  for (const MarkerPtr& before : operation.after)
    begin_ms = std::max(begin_ms, before->modelled_ms);
  operation.marker->modelled_ms = begin_ms + operation.cost_ms;
  operation.marker->passed_ms = passed_ms;
  operation.marker->done = true;
  stream.ran = operation.marker;
  if (stream.result == cudaSuccess) {
    if (operation.on_done) operation.on_done();
    stream.queue.pop_front();
    return;
  }
  if (operation.failure == cudaSuccess) {
    acquire(operation.marker.get());
    report(stream.message);
  }
  devices[static_cast<std::size_t>(stream.device)].lost = stream.result;
  drop_queues(stream.device);
}

void Runtime::drop_queues(int device) {
  for (CUstream_st* stream : all_streams(device)) {
    if (stream->ran != nullptr) acquire(stream->ran.get());
  }
  for (CUstream_st* stream : all_streams(device)) {
    for (Operation& operation : stream->queue) {
      delete operation.work;
      release(operation.marker.get());
      operation.marker->done = true;
    }
    stream->queue.clear();
  }
}

void Runtime::wait(const MarkerPtr& marker) {
  if (marker == nullptr) return;
  while (!marker->done) run_front(next_towards(marker));
  host_ms = std::max(host_ms, marker->modelled_ms);
  acquire(marker.get());
}

void Runtime::wait_device(int device) {
  std::vector<MarkerPtr> open;
  for (const CUstream_st* stream : all_streams(device)) {
    if (stream->last != nullptr) open.push_back(stream->last);
  }
  const std::vector<MarkerPtr> all = open;
  while (true) {
    std::erase_if(open, [](const MarkerPtr& marker) { return marker->done; });
    if (open.empty()) break;
    run_front(next_towards(open[options.seed == 0 ? 0 : random.below(open.size())]));
  }
  for (const MarkerPtr& marker : all) acquire(marker.get());
  remove_destroyed();
  for (std::size_t d = 0; d < devices.size(); ++d) {
    if (device >= 0 && device != static_cast<int>(d)) continue;
    for (const MarkerPtr& marker : devices[d].gone) acquire(marker.get());
    devices[d].gone.clear();
  }
}

bool Runtime::step(const MarkerPtr& marker) {
  if (marker == nullptr || marker->done) return false;
  run_front(next_towards(marker));
  return true;
}

void Runtime::remove_destroyed() {
  std::erase_if(streams, [this](const auto& stream) {
    if (!stream->destroyed || !stream->queue.empty()) return false;
    if (stream->last != nullptr)
      devices[static_cast<std::size_t>(stream->device)].gone.push_back(stream->last);
    return true;
  });
}

namespace {

cudaError_t lost(Runtime& runtime, int device) {
  return runtime.devices[static_cast<std::size_t>(device)].lost;
}

}  // namespace
}  // namespace convscale::standin

using convscale::standin::call;
using convscale::standin::Needs;
using convscale::standin::Runtime;
using convscale::standin::Work;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", Needs::kDevice, [](Runtime& runtime) {
    runtime.wait_device(runtime.current_device());
    return runtime.device().lost;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return call("cudaStreamCreateWithFlags", Needs::kDevice, [=](Runtime& runtime) {
    // Others are in order with the default stream, which is not here.
    if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
    runtime.streams.push_back(std::make_unique<CUstream_st>(runtime.current_device()));
    *stream = runtime.streams.back().get();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call("cudaStreamDestroy", Needs::kRelease, [=](Runtime& runtime) {
    CUstream_st* found = stream == nullptr ? nullptr : runtime.find(stream);
    if (found == nullptr || found == runtime.device().legacy.get())
      return cudaErrorInvalidResourceHandle;
    found->destroyed = true;  // what is queued still runs
    runtime.remove_destroyed();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", Needs::kDevice, [=](Runtime& runtime) {
    CUstream_st* found = runtime.find(stream);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    runtime.wait(*found);
    return convscale::standin::lost(runtime, found->device);
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int /*flags*/) {
  return call("cudaStreamWaitEvent", Needs::kDevice, [=](Runtime& runtime) {
    CUstream_st* found = runtime.find(stream);
    if (found == nullptr || !runtime.events.contains(event)) return cudaErrorInvalidResourceHandle;
    if (event->marker != nullptr) runtime.enqueue(*found, nullptr, {}, {event->marker});
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* user_data) {
  class HostFunction final : public Work {
   public:
    HostFunction(cudaHostFn_t function, void* user_data)
        : function_(function), user_data_(user_data) {}
    cudaError_t run(char* /*message*/, std::size_t /*message_bytes*/) override {
      function_(user_data_);
      return cudaSuccess;
    }

   private:
    cudaHostFn_t function_;
    void* user_data_;
  };
  return call("cudaLaunchHostFunc", Needs::kDevice, [=](Runtime& runtime) {
    CUstream_st* found = runtime.find(stream);
    if (found == nullptr) return cudaErrorInvalidResourceHandle;
    runtime.enqueue(*found, new HostFunction(function, user_data));
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return call("cudaEventCreate", Needs::kDevice, [=](Runtime& runtime) {
    auto made = std::make_unique<CUevent_st>();
    made->device = runtime.current_device();
    *event = made.get();
    runtime.events.emplace(made.get(), std::move(made));
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy", Needs::kRelease, [=](Runtime& runtime) {
    return runtime.events.erase(event) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", Needs::kDevice, [=](Runtime& runtime) {
    CUstream_st* found = runtime.find(stream);
    if (found == nullptr || !runtime.events.contains(event) || event->device != found->device)
      return cudaErrorInvalidResourceHandle;
    event->marker = runtime.enqueue(*found, nullptr);
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", Needs::kDevice, [=](Runtime& runtime) {
    if (!runtime.events.contains(event)) return cudaErrorInvalidResourceHandle;
    runtime.wait(event->marker);
    return convscale::standin::lost(runtime, event->device);
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", Needs::kDevice, [=](Runtime& runtime) {
    if (!runtime.events.contains(event)) return cudaErrorInvalidResourceHandle;
    if (runtime.step(event->marker)) return cudaErrorNotReady;
    runtime.wait(event->marker);
    return convscale::standin::lost(runtime, event->device);
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  return call("cudaEventElapsedTime", Needs::kDevice, [=](Runtime& runtime) {
    for (const cudaEvent_t event : {begin, end}) {
      if (!runtime.events.contains(event) || event->marker == nullptr)
        return cudaErrorInvalidResourceHandle;
    }
    if (!begin->marker->done || !end->marker->done) return cudaErrorNotReady;
    const convscale::standin::Marker &from = *begin->marker, &to = *end->marker;
    if (runtime.options.elapsed_ms > 0) {
      *milliseconds = runtime.options.elapsed_ms;
    } else if (!runtime.options.costs_ms.empty()) {
      *milliseconds = static_cast<float>(to.modelled_ms - from.modelled_ms);
    } else {
      *milliseconds = std::chrono::duration<float, std::milli>(to.time - from.time).count();
    }
    *milliseconds += to.passed_ms - from.passed_ms;
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
