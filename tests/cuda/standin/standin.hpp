// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// A stand-in for the CUDA runtime, for tests only: with include/ first on the include path, the
/// production's .cu files are plain C++ that runs on the CPU, with no toolkit.
///
/// Device code. Blocks run one after another; the threads of a block take turns, and change at
/// barriers and warp operations. A barrier that threads do not all come to, the same one, is a
/// fault; so is a shuffle from a lane that takes no part. Returned lanes are not waited for by warp
/// operations, as on a device. Asynchronous copies are made at the wait. Dynamic shared memory
/// begins as NaN in every block; static shared memory keeps what the block before left, and does
/// not count against the limit.
///
/// Host code. What is queued in a stream runs when somebody waits for it, and then only that and
/// what it depends on: a host that does not wait misses the data. A query of what is pending
/// answers cudaErrorNotReady, and does one step. A copy without a stream that brings pageable
/// memory to a device is in the default stream when the call returns, as the runtime is allowed to
/// return as soon as it has read the source: other streams miss the data unless somebody waits.
/// Device memory is a heap allocation of just that size on 256 bytes, full of NaN at first;
/// pointers of copies are checked against the direction. cudaFree and its like wait for all
/// devices, as they do in practice. A fault in a stream drops what else is queued on the device,
/// and every later call answers with it.
///
/// Sanitizers. AddressSanitizer knows the ends of device memory and of dynamic shared memory;
/// UndefinedBehaviorSanitizer the alignment of vectors and the ends of static arrays. To
/// ThreadSanitizer each stream and each thread of a block is a thread; barriers, __syncwarp,
/// events and waits order them as CUDA says (a shuffle does not), and little else does:
/// blocks, and grids, that meet barriers or have dynamic shared memory happen one after another, as
/// they get the shared memory of the one before. So races between blocks are found in other grids
/// only.
///
/// Here is what our backend and kernels call, and no more: whoever calls another function of CUDA
/// adds it (device code's in include/standin_device.h). Not to be had: textures, cooperative
/// groups, clusters, inline PTX, memory pools, graphs, blocking streams, speed.
namespace convscale::standin {

enum class Driver { kPresent, kMissing, kTooOld };

/// When queued work runs that nobody waits for yet.
enum class Progress {
  kLate,   ///< never
  kEarly,  ///< at once
  kAny     ///< some of it, drawn from the seed, at each call that queues
};

struct Options {
  int devices = 1;
  std::size_t memory_bytes = std::size_t{1} << 26;  ///< of each device
  int l2_bytes = 50 << 20;
  Driver driver = Driver::kPresent;
  /// 0: threads, blocks and streams in their own order. Else in one that is drawn from it.
  std::uint64_t seed = 0;
  Progress progress = Progress::kLate;
  /// Between any two events, so that a rate is an amount; 0: what it took. Beside what `pass` said.
  float elapsed_ms = 0;
  /// What the work that a call queues takes ("cudaEventRecord"; others take nothing). If there are
  /// any, times between events follow from these alone: streams run side by side, and each thing as
  /// soon as all before it are done.
  std::map<std::string, double> costs_ms = {};
};

/// Begins anew: nothing is allocated, queued, counted or failed. Handles and pointers from before
/// are invalid.
void reset(const Options& options = {});

/// The `nth` call of `call` from now on ("cudaMalloc"; "cudaLaunchKernelEx" for launches) does
/// nothing and returns `error`; calls that release something release it all the same.
void fail(std::string_view call, cudaError_t error, int nth = 1);
/// The `nth` such call queues work that fails with `error` when it runs.
void fail_later(std::string_view call, cudaError_t error, int nth = 1);

/// For what runs in a stream: it takes so much longer, as events tell.
void pass(float milliseconds);

/// From now on copies to a device that `call` ("cudaMemcpyAsync") queues are lost, and it says that
/// all is well.
void lose_uploads(std::string_view call);

/// What exists now: nothing, unless it leaks.
struct Live {
  int device_allocations = 0;
  std::int64_t device_bytes = 0;
  int registrations = 0;
  int streams = 0;
  int events = 0;
  bool operator==(const Live&) const = default;
};
Live live();

/// What was copied, in bytes, by copies that have run.
struct Copied {
  std::int64_t up = 0;      ///< from the host to a device
  std::int64_t down = 0;    ///< from a device to the host
  std::int64_t across = 0;  ///< from device to device
  bool operator==(const Copied&) const = default;
};
Copied copied();

/// Bytes that device code has read with __ldg so far.
std::int64_t loaded_bytes();

/// Every allocation on a device.
std::vector<std::span<const std::byte>> device_memory();

/// A launch that has run.
struct Launch {
  std::string kernel;  ///< its name with template arguments
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  int device;
};
std::vector<Launch> launches();

/// Calls of a function so far, failed ones too.
std::int64_t calls(std::string_view call);

/// Questions about what a kernel needs, and how much of it fits, so far: on a device each takes
/// microseconds, which belong in a plan and not in a launch.
inline std::int64_t occupancy_queries() {
  return calls("cudaOccupancyMaxActiveBlocksPerMultiprocessor") + calls("cudaFuncGetAttributes");
}

/// What went wrong on devices and with pointers of copies, a line each. They are written to
/// standard error as well.
std::vector<std::string> faults();

}  // namespace convscale::standin
