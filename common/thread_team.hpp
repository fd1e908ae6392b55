// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/range.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace convscale {

/// A fixed team of threads that runs jobs: every thread calls the job once with its own index. Jobs
/// are started without waiting, run in the order in which they were started, and each thread goes
/// on to the next job on its own.
///
/// One thread controls a team: `start`, `wait` and `run` are not to be called from several threads
/// at once.
class ThreadTeam {
 public:
  using Job = std::function<void(int worker)>;
  using Ticket = std::uint64_t;

  /// Starts `size` >= 1 threads; each first calls `on_start(worker)` (to pin itself). `spin` lets a
  /// thread that ran out of work look for more for some 50 us before it sleeps; right only where
  /// the team has its processors to itself. Throws ResourceError if the memory for so
  /// many is not there (check_threads), none of which is started then, or if the system gives no
  /// more threads; and what `on_start` threw.
  explicit ThreadTeam(int size, const Job& on_start = {}, bool spin = false);
  /// Waits for the jobs that threads are working on; jobs that none has begun are dropped.
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(threads_.size()); }

  /// Asynchronous: queues `job` for every thread.
  Ticket start(Job job);
  /// Blocks until the job of `ticket` and all earlier ones are done; rethrows the first exception
  /// that one of them threw.
  void wait(Ticket ticket);
  /// Whether `wait` would return at once.
  bool is_done(Ticket ticket) const { return finished_ >= ticket; }
  /// start and wait.
  void run(Job job) { wait(start(std::move(job))); }

  /// Runs `body(worker, begin, end)` on every thread with its block of 0..count.
  template <class Body>
  void for_each_block(std::int64_t count, Body&& body) {
    run([&](int worker) {
      const Range block = block_of(count, size(), worker);
      if (block.size() > 0) body(worker, block.begin, block.end);
    });
  }

  /// Runs `body(index)` for each of 0..count, the next index to whichever thread is free.
  template <class Body>
  void for_each_index(std::int64_t count, Body&& body) {
    std::atomic<std::int64_t> next{0};
    run([&](int) {
      for (std::int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) body(i);
    });
  }

 private:
  struct Work {
    Work(Job what, int threads) : job(std::move(what)), left(threads) {}
    Job job;
    std::atomic<int> left;  // threads that have not finished it
    std::exception_ptr error;
  };

  void loop(int worker);
  void await_ticket(Ticket seen) const;
  void stop_and_join();
  void finish(Work& work, std::exception_ptr error);

  const bool spin_;
  std::atomic<bool> stop_{false};
  std::atomic<Ticket> started_{0};   // tickets handed out so far; threads wait for it to grow
  std::atomic<Ticket> finished_{0};  // tickets that every thread has finished
  std::mutex mutex_;                 // guards queue_ and every Work::error
  std::deque<std::shared_ptr<Work>> queue_;
  Ticket front_ = 0;  // ticket of queue_.front(), less one
  std::vector<std::thread> threads_;
};

}  // namespace convscale
