// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ranks/comm.hpp"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace convscale::testing {

/// Ranks that are threads of this process: what several ranks do, without MPI and under sanitizers.
/// A send is done when its message was received, so that a buffer that is touched too early shows.
class ThreadWorld {
 public:
  explicit ThreadWorld(int size) : size_(size), texts_(static_cast<std::size_t>(size)) {}

  int size() const { return size_; }

  /// Returns once all ranks have come. Throws CommError once one of them has left for good.
  void meet() {
    std::unique_lock lock(mutex_);
    const std::int64_t round = round_;
    if (++came_ == size_) {
      came_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || broken_; });
    if (round_ == round) throw CommError("a rank is gone");
  }

  std::vector<std::string> all_gather(int rank, const std::string& text) {
    {
      const std::scoped_lock lock(mutex_);
      texts_[static_cast<std::size_t>(rank)] = text;
    }
    meet();
    std::vector<std::string> all;
    {
      const std::scoped_lock lock(mutex_);
      all = texts_;
    }
    meet();  // nobody writes the next text before all have read these
    return all;
  }

  struct Posted {
    const std::byte* data = nullptr;
    std::int64_t bytes = 0;
    bool received = false;
  };

  std::shared_ptr<Posted> post(int from, int to, const std::byte* data, std::int64_t bytes) {
    const std::scoped_lock lock(mutex_);
    auto posted = std::make_shared<Posted>(Posted{data, bytes, false});
    posted_[{from, to}].push_back(posted);
    return posted;
  }

  bool was_received(const Posted& posted) {
    const std::scoped_lock lock(mutex_);
    if (broken_) throw CommError("a rank is gone");
    return posted.received;
  }

  /// Receives message `number` from `from` to `to`, if it is posted.
  bool take(int from, int to, std::size_t number, std::byte* data, std::int64_t bytes) {
    const std::scoped_lock lock(mutex_);
    if (broken_) throw CommError("a rank is gone");
    auto& queue = posted_[{from, to}];
    if (number >= queue.size()) return false;
    Posted& posted = *queue[number];
    if (posted.bytes != bytes) throw CommError("a message of another length");
    std::memcpy(data, posted.data, static_cast<std::size_t>(bytes));
    posted.received = true;
    return true;
  }

  /// The number of the next message that `to` asks for from `from`.
  std::size_t next_number(int from, int to) {
    const std::scoped_lock lock(mutex_);
    return asked_[{from, to}]++;
  }

  void break_down() {
    const std::scoped_lock lock(mutex_);
    broken_ = true;
    changed_.notify_all();
  }

 private:
  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t round_ = 0;
  int came_ = 0;
  bool broken_ = false;
  std::vector<std::string> texts_;
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<Posted>>> posted_;
  std::map<std::pair<int, int>, std::size_t> asked_;
};

/// Thrown by ThreadComm::abort, which ends only its own thread.
struct Aborted {
  int exit_code;
};

class ThreadComm final : public Comm {
 public:
  ThreadComm(ThreadWorld& world, int rank) : world_(world), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return world_.size(); }
  std::string library() const override { return "threads"; }
  void barrier() override { world_.meet(); }
  std::vector<std::string> all_gather(const std::string& mine) override {
    return world_.all_gather(rank_, mine);
  }

  std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) override {
    class Sent final : public Message {
     public:
      Sent(ThreadWorld& world, std::shared_ptr<ThreadWorld::Posted> posted)
          : world_(world), posted_(std::move(posted)) {}
      bool is_done() override { return world_.was_received(*posted_); }

     private:
      ThreadWorld& world_;
      std::shared_ptr<ThreadWorld::Posted> posted_;
    };
    return std::make_unique<Sent>(world_, world_.post(rank_, to, data, bytes));
  }

  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    class Received final : public Message {
     public:
      Received(ThreadWorld& world, int from, int to, std::byte* data, std::int64_t bytes)
          : world_(world),
            from_(from),
            to_(to),
            number_(world.next_number(from, to)),
            data_(data),
            bytes_(bytes) {}
      bool is_done() override {
        done_ = done_ || world_.take(from_, to_, number_, data_, bytes_);
        return done_;
      }

     private:
      ThreadWorld& world_;
      int from_, to_;
      std::size_t number_;
      std::byte* data_;
      std::int64_t bytes_;
      bool done_ = false;
    };
    return std::make_unique<Received>(world_, from, rank_, data, bytes);
  }

  bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) override {
    return move_blocks(blocks, const_cast<std::byte*>(all), mine, /*to_others=*/true);
  }
  bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) override {
    return move_blocks(blocks, all, const_cast<std::byte*>(mine), /*to_others=*/false);
  }

  void abort(int exit_code) override {
    world_.break_down();
    throw Aborted{exit_code};
  }

 private:
  bool move_blocks(const Blocks& blocks, std::byte* all, std::byte* mine, bool to_others) {
    std::vector<std::unique_ptr<Message>> messages;
    for (int other = 1; other < size(); ++other) {
      if (rank_ != 0 && rank_ != other) continue;
      const auto i = static_cast<std::size_t>(other);
      const std::int64_t bytes = blocks.count[i] * blocks.unit_bytes;
      std::byte* const data = rank_ == 0 ? all + blocks.first[i] * blocks.unit_bytes : mine;
      const int peer = rank_ == 0 ? other : 0;
      messages.push_back((rank_ == 0) == to_others ? send(data, bytes, peer)
                                                   : receive(data, bytes, peer));
    }
    for (const auto& message : messages) {
      while (!message->is_done()) std::this_thread::yield();
    }
    return true;
  }

  ThreadWorld& world_;
  const int rank_;
};

/// Another's ranks; tests change a part of what they do.
class CommAround : public Comm {
 public:
  explicit CommAround(Comm& comm) : comm_(comm) {}
  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }
  std::string library() const override { return comm_.library(); }
  void barrier() override { comm_.barrier(); }
  std::vector<std::string> all_gather(const std::string& mine) override {
    return comm_.all_gather(mine);
  }
  std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) override {
    return comm_.send(data, bytes, to);
  }
  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    return comm_.receive(data, bytes, from);
  }
  bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) override {
    return comm_.scatter(all, blocks, mine);
  }
  bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) override {
    return comm_.gather(mine, blocks, all);
  }
  void abort(int exit_code) override { comm_.abort(exit_code); }

 private:
  Comm& comm_;
};

/// Runs `body` as each of `size` ranks, and returns what they return. An exception of one ends the
/// others, and is thrown.
template <class Result>
std::vector<Result> run_as_ranks(int size, const std::function<Result(Comm&)>& body) {
  ThreadWorld world(size);
  std::vector<Result> results(static_cast<std::size_t>(size));
  std::vector<std::exception_ptr> errors(results.size());
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadComm comm(world, rank);
      try {
        results[static_cast<std::size_t>(rank)] = body(comm);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
        world.break_down();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return results;
}

}  // namespace convscale::testing
