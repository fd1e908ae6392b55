// SPDX-License-Identifier: Apache-2.0
// The threads of a block take turns: each runs until it waits for others or returns. When none can
// go on, those are released whose partners have all come; if there are none, the barrier is
// divergent. Threads that never wait follow each other on one stack; a thread that waits keeps the
// stack, and the next one gets another. To ThreadSanitizer each thread of a block is a thread, with
// a stack of its own.
#include "tests/cuda/standin/scheduler.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

// NOLINTBEGIN(readability-identifier-naming): CUDA's names
uint3 threadIdx{};
uint3 blockIdx{};
dim3 blockDim;
dim3 gridDim;
// NOLINTEND(readability-identifier-naming)

namespace convscale::cuda {

// On a device the launch provides it; the declaration is in cuda/launch.hpp.
extern constinit thread_local std::byte dynamic_shared_memory[];
alignas(16) constinit thread_local std::byte dynamic_shared_memory[standin::kMaxSharedBytes]{};

}  // namespace convscale::cuda

namespace convscale::standin {

std::byte* dynamic_shared_array() { return cuda::dynamic_shared_memory; }

Scheduler& scheduler() {
  static auto* instance = new Scheduler;  // threads of the host may outlive static objects
  return *instance;
}

Executor::Executor()
    : fiber([](void* self) { scheduler().run_threads(*static_cast<Executor*>(self)); }, this) {}

// --- Threads take turns ---

void Scheduler::run_threads(Executor& executor) {
  for (Thread* thread = executor.thread; thread != nullptr; thread = next_unstarted()) {
    executor.thread = thread;
    thread->executor = &executor;
    running_ = thread;
    threadIdx = thread->index;
    acquire(&start_);
    run_->call->run();
    release(&end_);
    thread->state = State::kFinished;
  }
  executor.idle = true;
}

/// What the same stack may run next.
Thread* Scheduler::next_unstarted() {
  if (has_tsan() || position_ + 1 >= count_) return nullptr;
  Thread& next = threads_[order_[position_ + 1]];
  if (next.state != State::kUnstarted) return nullptr;
  ++position_;
  return &next;
}

void Scheduler::turn_of(Thread& thread) {
  if (thread.state == State::kUnstarted) {
    Executor* executor = nullptr;
    if (has_tsan()) {
      executor = executors_[number(thread)].get();
    } else {
      if (idle_.empty()) {
        executors_.push_back(std::make_unique<Executor>());
        idle_.push_back(executors_.back().get());
      }
      executor = idle_.back();
      idle_.pop_back();
    }
    executor->thread = &thread;
    executor->idle = false;
    thread.executor = executor;
  }
  running_ = &thread;
  threadIdx = thread.index;
  Executor& executor = *thread.executor;
  executor.fiber.resume();
  if (executor.idle && !has_tsan()) idle_.push_back(&executor);
}

void Scheduler::wait(State state, const Place& place, MeetingPoint* point) {
  Thread& thread = *running_;
  thread.state = state;
  thread.place = place;
  if (point != nullptr) blocks_in_order_ = true;
  void* const address = point != nullptr ? point->current() : &abandoned_;
  release(address);
  thread.executor->fiber.suspend();
  if (point != nullptr) acquire(address);
}

void Scheduler::stop() {
  running_->executor->fiber.suspend();
  std::abort();  // a fiber that was reset does not come back
}

void Scheduler::shuffle_order() {
  if (run_->seed == 0) return;
  for (unsigned i = count_; i > 1; --i)
    std::swap(order_[i - 1], order_[static_cast<unsigned>(random_.below(i))]);
}

// --- A block, a grid ---

void Scheduler::prepare(const GridRun& run) {
  run_ = &run;
  gridDim = run.grid;
  blockDim = run.block;
  count_ = run.block.x * run.block.y * run.block.z;
  for (unsigned i = 0; i < count_; ++i) {
    threads_[i].index = {i % run.block.x, i / run.block.x % run.block.y,
                         i / run.block.x / run.block.y};
    order_[i] = i;
  }
  if (has_tsan()) {
    while (executors_.size() < count_) executors_.push_back(std::make_unique<Executor>());
  }
  random_ = Random(run.seed);
  blocks_in_order_ = run.shared_bytes > 0;
  error_ = cudaSuccess;
}

void Scheduler::run_block(std::uint64_t block) {
  blockIdx = {static_cast<unsigned>(block % gridDim.x),
              static_cast<unsigned>(block / gridDim.x % gridDim.y),
              static_cast<unsigned>(block / gridDim.x / gridDim.y)};
  if (blocks_in_order_) acquire(&end_);
  if (run_->shared_bytes > 0) std::memset(dynamic_shared_array(), 0xFF, run_->shared_bytes);
  if (blocks_in_order_) release(&start_);
  for (unsigned i = 0; i < count_; ++i) {
    threads_[i].state = State::kUnstarted;
    threads_[i].copies.clear();
    threads_[i].copy_groups = 0;
  }
  do {
    shuffle_order();
    for (position_ = 0; position_ < count_ && error_ == cudaSuccess; ++position_) {
      Thread& thread = threads_[order_[position_]];
      if (thread.state == State::kUnstarted || thread.state == State::kReady) turn_of(thread);
    }
  } while (error_ == cudaSuccess && release_waiting());
  if (error_ != cudaSuccess) abandon();
}

cudaError_t Scheduler::run(const GridRun& run, char* message, std::size_t message_bytes) {
  message_ = message;
  message_bytes_ = message_bytes;
  prepare(run);
  poison(dynamic_shared_array() + run.shared_bytes, kMaxSharedBytes - run.shared_bytes);
  // Grids that nothing orders have the same shared memory here, unlike on a device. Until a kernel
  // was seen to use none, it is taken for one that does.
  const auto seen = sharing_.find(run.function);
  if (blocks_in_order_ || seen == sharing_.end() || seen->second == Sharing::kYes)
    acquire(&shared_memory_);
  release(&start_);
  const std::uint64_t blocks = std::uint64_t{run.grid.x} * run.grid.y * run.grid.z;
  // A step that shares no factor with the number of blocks comes to each of them.
  std::uint64_t step = 1, block = 0;
  if (run.seed != 0 && blocks > 1) {
    block = random_.below(blocks);
    do {
      step = 1 + random_.below(blocks - 1);
    } while (std::gcd(step, blocks) != 1);
  }
  for (std::uint64_t i = 0; i < blocks && error_ == cudaSuccess; ++i) {
    run_block(block);
    block = (block + step) % blocks;
  }
  acquire(&end_);
  unpoison(dynamic_shared_array(), kMaxSharedBytes);
  if (blocks_in_order_) release(&shared_memory_);
  if (blocks_in_order_ || seen == sharing_.end())
    sharing_[run.function] = blocks_in_order_ ? Sharing::kYes : Sharing::kNo;
  running_ = nullptr;
  return error_;
}

void Scheduler::abandon() {
  acquire(&abandoned_);
  acquire(block_point_.current());
  for (unsigned i = 0; i < count_; ++i) acquire(warp_points_[i].current());
  for (const auto& executor : executors_) {
    if (executor->idle) continue;
    executor->fiber.reset();
    executor->idle = true;
    if (!has_tsan()) idle_.push_back(executor.get());
  }
}

// --- When nobody can go on ---

bool Scheduler::release_waiting() {
  if (release_block()) return true;
  bool released = false;
  for (unsigned first = 0; first < count_; first += kLanes) {
    if (release_warp(first)) released = true;
  }
  const auto waits = [](const Thread& thread) { return thread.state != State::kFinished; };
  if (!released && error_ == cudaSuccess && std::any_of(threads_, threads_ + count_, waits))
    fail_divergent();
  return released && error_ == cudaSuccess;
}

bool Scheduler::release_block() {
  for (unsigned i = 0; i < count_; ++i) {
    if (threads_[i].state != State::kAtBlockBarrier || !(threads_[i].place == threads_[0].place))
      return false;
  }
  for (unsigned i = 0; i < count_; ++i) threads_[i].state = State::kReady;
  ++block_point_.turn;
  return true;
}

/// The lanes that meet the thread; 0 as long as one of them is missing. Lanes that returned, or
/// that the block does not have, are not waited for.
unsigned Scheduler::group_of(const Thread& thread, unsigned first) const {
  unsigned lanes = 0;
  for (unsigned lane = 0; lane < kLanes && first + lane < count_; ++lane) {
    const Thread& other = threads_[first + lane];
    if ((thread.mask >> lane & 1) == 0 || other.state == State::kFinished) continue;
    if (other.state != State::kAtWarpOperation || other.mask != thread.mask ||
        other.operation != thread.operation || !(other.place == thread.place)) {
      return 0;
    }
    lanes |= 1u << lane;
  }
  return lanes;
}

bool Scheduler::release_warp(unsigned first) {
  bool released = false;
  for (unsigned i = first; i < std::min(first + kLanes, count_); ++i) {
    if (threads_[i].state != State::kAtWarpOperation) continue;
    const unsigned lanes = group_of(threads_[i], first);
    if (lanes == 0) continue;
    if (threads_[i].operation == WarpOperation::kSync)
      ++warp_points_[first + static_cast<unsigned>(std::countr_zero(threads_[i].mask))].turn;
    exchange(first, lanes);
    released = true;
  }
  return released;
}

void Scheduler::exchange(unsigned first, unsigned lanes) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1) == 0) continue;
    Thread& thread = threads_[first + lane];
    thread.state = State::kReady;
    if (thread.operation != WarpOperation::kShuffle) continue;
    if (thread.source < 0 || thread.source >= static_cast<int>(kLanes) ||
        (lanes >> thread.source & 1) == 0) {
      fail(cudaErrorLaunchFailure,
           "shuffle in kernel %s, block (%u, %u, %u): thread (%u, %u, %u) at %s:%d reads lane %d, "
           "which does not take part (mask 0x%08X)",
           run_->name, blockIdx.x, blockIdx.y, blockIdx.z, thread.index.x, thread.index.y,
           thread.index.z, thread.place.file, thread.place.line, thread.source, thread.mask);
      continue;
    }
    const Thread& source = threads_[first + static_cast<unsigned>(thread.source)];
    std::memcpy(thread.result, source.value, sizeof thread.result);
  }
}

// --- Faults ---

void Scheduler::fail(cudaError_t error, const char* format, ...) {
  if (error_ != cudaSuccess) return;  // the first one counts
  error_ = error;
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message_, message_bytes_, format, arguments);
  va_end(arguments);
  release(&end_);  // whoever reads the message comes after
}

void Scheduler::describe(const Thread& thread, char* text, std::size_t bytes) const {
  const uint3& i = thread.index;
  const Place& place = thread.place;
  switch (thread.state) {
    case State::kFinished:
      std::snprintf(text, bytes, "thread (%u, %u, %u) has returned", i.x, i.y, i.z);
      break;
    case State::kAtWarpOperation:
      std::snprintf(text, bytes, "thread (%u, %u, %u) waits for lanes 0x%08X in %s at %s:%d", i.x,
                    i.y, i.z, thread.mask, place.function, place.file, place.line);
      break;
    default:
      std::snprintf(text, bytes, "thread (%u, %u, %u) waits in %s at %s:%d", i.x, i.y, i.z,
                    place.function, place.file, place.line);
  }
}

void Scheduler::fail_divergent() {
  const auto waits = [](const Thread& thread) { return thread.state != State::kFinished; };
  const Thread* one = std::find_if(threads_, threads_ + count_, waits);
  // Preferably one that waits elsewhere: whoever returned may have had the right to.
  const Thread* other = std::find_if(threads_, threads_ + count_, [&](const Thread& thread) {
    return waits(thread) && (thread.state != one->state || !(thread.place == one->place) ||
                             thread.mask != one->mask);
  });
  if (other == threads_ + count_) other = std::find_if_not(threads_, threads_ + count_, waits);
  char first[400], second[400];
  describe(*one, first, sizeof first);
  describe(*other, second, sizeof second);
  fail(cudaErrorLaunchFailure, "divergent barrier in kernel %s, block (%u, %u, %u): %s, %s",
       run_->name, blockIdx.x, blockIdx.y, blockIdx.z, first, second);
}

cudaError_t run_grid(const GridRun& run, char* message, std::size_t message_bytes) {
  return scheduler().run(run, message, message_bytes);
}

}  // namespace convscale::standin
