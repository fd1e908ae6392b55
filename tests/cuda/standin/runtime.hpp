// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/cuda/standin/fiber.hpp"
#include "tests/cuda/standin/random.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <cuda_runtime.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace convscale::standin {

/// What a stream does at one point. Made by the host; run and deleted by the stream.
class Work {
 public:
  Work() = default;
  virtual ~Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  /// An error, and a line about it.
  virtual cudaError_t run(char* message, std::size_t message_bytes) = 0;
};

/// The end of an operation. Its address is what waiters acquire.
struct Marker {
  CUstream_st* stream = nullptr;  ///< while it is not done
  bool done = false;
  std::chrono::steady_clock::time_point time;
  double modelled_ms = 0;  ///< by Options::costs_ms
  float passed_ms = 0;     ///< of all that ran before it
};
using MarkerPtr = std::shared_ptr<Marker>;

struct Operation {
  Work* work = nullptr;  ///< owned
  std::vector<MarkerPtr> after;
  MarkerPtr marker;
  cudaError_t failure = cudaSuccess;     ///< that a test asked for
  std::function<void()> on_done;         ///< bookkeeping
  double queued_at_ms = 0, cost_ms = 0;  ///< by Options::costs_ms
};

}  // namespace convscale::standin

/// A stream.
struct CUstream_st {
  explicit CUstream_st(int on_device) : device(on_device), fiber(&CUstream_st::run_current, this) {}
  static void run_current(void* self);

  int device;
  bool destroyed = false;
  std::deque<convscale::standin::Operation> queue;
  convscale::standin::MarkerPtr last;  ///< of the operation that was queued last
  convscale::standin::MarkerPtr ran;   ///< of the operation that ran last
  // The operation that runs.
  convscale::standin::Fiber fiber;
  convscale::standin::Operation* current = nullptr;
  cudaError_t result = cudaSuccess;
  char message[1200] = "";
};

struct CUevent_st {
  int device = 0;
  convscale::standin::MarkerPtr marker;  ///< of the record that was queued last
};

namespace convscale::standin {

/// Of a device's memory.
struct Allocation {
  std::size_t bytes = 0;
  int device = 0;
  std::unique_ptr<void, decltype(&std::free)> block;
};

struct Device {
  std::unique_ptr<CUstream_st> legacy;  ///< the default stream
  std::vector<MarkerPtr> gone;          ///< of destroyed streams that nobody has waited for since
  std::size_t used_bytes = 0;
  cudaError_t lost = cudaSuccess;  ///< the fault that every call answers with
};

/// A failure that a test asked for.
struct Planned {
  std::string call;
  cudaError_t error = cudaSuccess;
  int countdown = 0;
  bool later = false;
};

/// The state behind the runtime's functions. Every function of it runs under `mutex`.
class Runtime {
 public:
  static Runtime& instance();

  void reset(const Options& options);

  // Streams.
  /// The stream behind a handle, null if there is none.
  CUstream_st* find(cudaStream_t handle);
  /// Queues `work` (owned; null: nothing but an order) behind what is in the stream.
  MarkerPtr enqueue(CUstream_st& stream, Work* work, std::function<void()> on_done = {},
                    std::vector<MarkerPtr> after = {});
  /// Runs what `marker` depends on; the calling thread is then ordered after it.
  void wait(const MarkerPtr& marker);
  void wait(CUstream_st& stream) { wait(stream.last); }
  /// All streams of a device; of all devices if it is negative.
  void wait_device(int device);
  /// One step towards `marker`; false if it is done already.
  bool step(const MarkerPtr& marker);
  void remove_destroyed();

  // Memory. `allocations` are of devices.
  /// The live allocation that holds the byte, or null.
  const std::pair<const std::uintptr_t, Allocation>* find_device(const void* pointer) const;
  /// Whether all of it is registered.
  bool is_page_locked(const void* pointer, std::size_t bytes) const;

  void report(const std::string& fault);

  // Of the calling thread.
  int& current_device() const;
  cudaError_t& last_error() const;
  Device& device() { return devices[static_cast<std::size_t>(current_device())]; }

  std::mutex mutex;
  Options options;
  std::vector<Device> devices;
  std::vector<std::unique_ptr<CUstream_st>> streams;
  std::map<CUevent_st*, std::unique_ptr<CUevent_st>> events;
  std::map<std::uintptr_t, Allocation> allocations;
  std::map<std::uintptr_t, std::size_t> registrations;
  std::map<const void*, std::size_t> shared_limits;  ///< by kernel
  std::vector<Planned> planned;
  std::set<std::string, std::less<>> lost_uploads;  ///< calls
  std::map<std::string, std::int64_t, std::less<>> calls;
  std::vector<std::string> faults;
  std::vector<Launch> launches;
  Copied copied;
  Random random{0};
  std::string current_call;
  double host_ms = 0;                ///< what the host has waited for, by Options::costs_ms
  std::atomic<float> passed_ms = 0;  ///< of what `pass` said, in whatever stream
  cudaError_t failure_of_next = cudaSuccess;  ///< that the work queued next is to fail with

 private:
  Runtime() { reset({}); }
  std::vector<CUstream_st*> all_streams(int device);
  void run_front(CUstream_st& stream);
  bool runnable(const CUstream_st& stream) const;
  void collect(const MarkerPtr& marker, std::vector<CUstream_st*>& needed) const;
  CUstream_st& next_towards(const MarkerPtr& marker);
  void make_progress();
  void drop_queues(int device);

  std::uint64_t epoch_ = 0;
};

/// What a function of the runtime asks for before it does anything.
enum class Needs {
  kNothing,
  kDriver,   ///< a driver and a device
  kDevice,   ///< besides, that the current device is not lost
  kRelease,  ///< releases something, whatever happens
};

/// The frame of every function of the runtime: counts, fails as planned, answers with the fault of
/// a lost device, keeps the last error.
cudaError_t call(const char* name, Needs needs, const std::function<cudaError_t(Runtime&)>& body);

/// The name of the function at an address, from the program's symbol table.
std::string function_name(const void* address);

}  // namespace convscale::standin
