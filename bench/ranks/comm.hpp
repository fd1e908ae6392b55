// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace convscale {

/// The network or another rank failed: no rank can count on the others any more.
class CommError : public ResourceError {
 public:
  using ResourceError::ResourceError;
};

/// Bytes on their way from or to another rank. The end of one that is not done gives it up, and
/// with it the run: nothing says how much of the buffer is written.
class Message {
 public:
  Message() = default;
  virtual ~Message() = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  /// Says whether all bytes are there, or the sender's buffer may be used again; moves things
  /// along.
  virtual bool is_done() = 0;
};

/// A buffer of rank 0, cut in blocks: rank r's is units first[r]..first[r] + count[r] - 1.
struct Blocks {
  std::int64_t unit_bytes = 0;
  std::vector<std::int64_t> first, count;
};

/// The processes of one run: ranks 0 to size - 1. Collective calls are made by all of them, in the
/// same order. One thread of a process makes all calls. Methods throw CommError.
class Comm {
 public:
  Comm() = default;
  virtual ~Comm() = default;
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// What carries the messages: "Open MPI 4.1.4"; empty for a process of its own.
  virtual std::string library() const = 0;
  /// The clock of this process, by which all times are taken; tests have one that only they move.
  virtual std::chrono::steady_clock::time_point now() const {
    return std::chrono::steady_clock::now();
  }

  /// Collective: returns once all ranks have called it.
  virtual void barrier() = 0;
  /// Collective: the texts of all ranks, in their order, on every rank. Any bytes will do.
  virtual std::vector<std::string> all_gather(const std::string& mine) = 0;

  /// Asynchronous: `bytes` at `data`, any number of them, to rank `to`, which receives as many in
  /// one message. Messages from one rank to another arrive in the order in which they were sent.
  /// The buffer belongs to the message until it is done.
  virtual std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) = 0;
  virtual std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) = 0;

  /// Collective, in one call of the library: each rank's block of rank 0's buffer `all` (null
  /// elsewhere) to its `mine`, and back. Rank 0's own block stays where it is. The yardstick for
  /// what is done with `send` and `receive`. Says no, and does nothing, where a count is too large
  /// for the library.
  virtual bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) = 0;
  virtual bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) = 0;

  /// Ends all ranks at once with `exit_code`.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

/// A process of its own: rank 0 of 1.
std::unique_ptr<Comm> make_self_comm();

}  // namespace convscale
