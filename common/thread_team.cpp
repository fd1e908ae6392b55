// SPDX-License-Identifier: Apache-2.0
#include "common/thread_team.hpp"

#include "common/error.hpp"
#include "common/limits.hpp"

#include <fmt/format.h>

#include <chrono>
#include <system_error>

namespace convscale {

ThreadTeam::ThreadTeam(int size, const Job& on_start, bool spin) : spin_(spin) {
  check_threads(size);
  threads_.reserve(static_cast<std::size_t>(size));
  // on_start is the first job, so that an error in it reaches the caller like any other.
  queue_.push_back(std::make_shared<Work>(
      on_start ? on_start : [](int) {}, size));
  try {
    for (int worker = 0; worker < size; ++worker) {
      threads_.emplace_back([this, worker] { loop(worker); });
    }
  } catch (const std::system_error& error) {
    const std::size_t got = threads_.size();
    stop_and_join();
    throw ResourceError(fmt::format("cannot start {} threads ({} started): {}; fewer would do",
                                    size, got, error.what()));
  }
  try {
    started_ = 1;
    started_.notify_all();
    wait(1);
  } catch (...) {
    stop_and_join();
    throw;
  }
}

ThreadTeam::~ThreadTeam() { stop_and_join(); }

void ThreadTeam::stop_and_join() {
  stop_ = true;
  started_.fetch_add(1);
  started_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

ThreadTeam::Ticket ThreadTeam::start(Job job) {
  auto work = std::make_shared<Work>(std::move(job), size());
  {
    const std::scoped_lock lock(mutex_);
    queue_.push_back(std::move(work));
  }
  const Ticket ticket = started_.fetch_add(1) + 1;
  started_.notify_all();
  return ticket;
}

void ThreadTeam::wait(Ticket ticket) {
  for (Ticket done = finished_; done < ticket; done = finished_) finished_.wait(done);
  std::exception_ptr error;
  {
    const std::scoped_lock lock(mutex_);
    for (; front_ < ticket; ++front_) {
      if (!error) error = std::move(queue_.front()->error);
      queue_.pop_front();
    }
  }
  if (error) std::rethrow_exception(error);
}

void ThreadTeam::loop(int worker) {
  for (Ticket seen = 0;; ++seen) {
    await_ticket(seen);
    if (stop_) return;
    std::shared_ptr<Work> work;
    {
      const std::scoped_lock lock(mutex_);
      work = queue_[static_cast<std::size_t>(seen - front_)];
    }
    std::exception_ptr error;
    try {
      work->job(worker);
    } catch (...) {
      error = std::current_exception();
    }
    finish(*work, std::move(error));
  }
}

void ThreadTeam::await_ticket(Ticket seen) const {
  if (spin_) {
    constexpr auto kSpinTime = std::chrono::microseconds(50);
    const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
    while (started_ == seen && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
  }
  started_.wait(seen);
}

void ThreadTeam::finish(Work& work, std::exception_ptr error) {
  if (error) {
    const std::scoped_lock lock(mutex_);
    if (!work.error) work.error = std::move(error);
  }
  // Jobs finish in order: a thread is on its next job only after this one, so the last to leave
  // this job is the first that can leave it as the last.
  if (work.left.fetch_sub(1) == 1) {
    work.job = nullptr;  // what it holds ends before wait returns
    finished_.fetch_add(1);
    finished_.notify_all();
  }
}

}  // namespace convscale
