// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/cuda/standin/fiber.hpp"
#include "tests/cuda/standin/grid.hpp"
#include "tests/cuda/standin/random.hpp"

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

/// Included by files that are never sanitized only (see ../CMakeLists.txt): these records would
/// look like shared memory that is not protected.
namespace convscale::standin {

inline constexpr unsigned kMaxThreads = 1024;
inline constexpr unsigned kLanes = 32;

enum class State { kUnstarted, kReady, kAtBlockBarrier, kAtWarpOperation, kFinished };
enum class WarpOperation { kSync, kShuffle };

struct Executor;

struct PendingCopy {
  void* target;
  const void* source;
  std::size_t bytes, zeros;
  std::size_t group;
};

/// A thread of the block.
struct Thread {
  uint3 index{};
  Executor* executor = nullptr;
  State state = State::kUnstarted;
  Place place{};  ///< where it waits
  // Of a warp operation.
  WarpOperation operation{};
  unsigned mask = 0;
  int source = 0;
  std::byte value[16]{};
  std::byte result[16]{};
  // Asynchronous copies that it has not waited for.
  std::vector<PendingCopy> copies;
  std::size_t copy_groups = 0;
};

/// A stack on which threads run.
struct Executor {
  Executor();
  Fiber fiber;
  Thread* thread = nullptr;
  bool idle = true;
};

/// Addresses that stand for a point where some threads meet. Two in turn: who comes to the next
/// point early must not be ordered before who leaves the last one late.
struct MeetingPoint {
  char address[2];
  unsigned turn = 0;
  void* current() { return &address[turn % 2]; }
};

enum class Sharing { kNo, kYes };

class Scheduler {
 public:
  cudaError_t run(const GridRun& run, char* message, std::size_t message_bytes);
  void run_threads(Executor& executor);
  /// Ends the running thread's turn until others have come; a point orders it after them.
  void wait(State state, const Place& place, MeetingPoint* point);
  [[gnu::format(printf, 3, 4)]] void fail(cudaError_t error, const char* format, ...);
  /// The running thread goes no further.
  [[noreturn]] void stop();

  Thread& running() { return *running_; }
  unsigned number(const Thread& thread) const { return static_cast<unsigned>(&thread - threads_); }
  MeetingPoint* block_point() { return &block_point_; }
  MeetingPoint* warp_point(unsigned mask) {
    return &warp_points_[number(*running_) / kLanes * kLanes +
                         static_cast<unsigned>(std::countr_zero(mask))];
  }
  const char* kernel_name() const { return run_->name; }

 private:
  void prepare(const GridRun& run);
  void run_block(std::uint64_t block);
  void turn_of(Thread& thread);
  Thread* next_unstarted();
  bool release_waiting();
  bool release_block();
  bool release_warp(unsigned first);
  unsigned group_of(const Thread& thread, unsigned first) const;
  void exchange(unsigned first, unsigned lanes);
  void fail_divergent();
  void describe(const Thread& thread, char* text, std::size_t bytes) const;
  void abandon();
  void shuffle_order();

  const GridRun* run_ = nullptr;
  unsigned count_ = 0;
  Thread threads_[kMaxThreads];
  unsigned order_[kMaxThreads]{};
  unsigned position_ = 0;
  Thread* running_ = nullptr;
  std::vector<std::unique_ptr<Executor>> executors_;
  std::vector<Executor*> idle_;
  Random random_{0};
  /// The grid uses shared memory, as far as is known yet: then one block happens before the next.
  bool blocks_in_order_ = false;
  /// Kernels that were seen to use shared memory, or not to.
  std::map<const void*, Sharing> sharing_;
  MeetingPoint block_point_{};
  MeetingPoint warp_points_[kMaxThreads]{};
  // Addresses for ThreadSanitizer: a block begins, ends; shared memory is free again.
  char start_ = 0, end_ = 0, shared_memory_ = 0;
  char abandoned_ = 0;  ///< released by whoever waits without being ordered
  cudaError_t error_ = cudaSuccess;
  char* message_ = nullptr;
  std::size_t message_bytes_ = 0;
};

/// The one there is: threads of the host take turns in it.
Scheduler& scheduler();

}  // namespace convscale::standin
