// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ranks/partition.hpp"
#include "bench/ranks/ranks.hpp"
#include "common/backend.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

namespace convscale {

/// Contiguous parts of a part's images, in which they travel: large enough for the network to be
/// at its best, small enough for computing to begin early. Images of the whole workload.
std::vector<Range> chunks_of(const RankPart& part, const Config& config);

/// `--distribute scatter`: the way of one iteration's data from rank 0, which holds all, to the
/// others and of their results back. Every rank convolves chunks as they arrive; rank 0's own part
/// stays where it is.
class ScatterGather {
 public:
  ScatterGather(const Ranks& ranks, Config config, std::vector<RankPart> parts);

  /// Bytes that the others get from rank 0 in one iteration, and send back.
  std::int64_t scatter_bytes() const {
    return bytes_of(others_images(), config_.shape.pixels() + config_.shape.taps());
  }
  std::int64_t gather_bytes() const { return bytes_of(others_images(), config_.shape.outputs()); }
  /// Of both, what passes between different hosts.
  std::int64_t wire_bytes() const;

  /// `buffers` hold all images on rank 0, and elsewhere this rank's part; `local` convolves that,
  /// and is null where there is none.
  void prepare(const HostBuffers& buffers, Backend* local) {
    buffers_ = buffers;
    local_ = local;
  }
  /// Asynchronous: posts messages (rank 0 all of them, the others a few), and starts rank 0's own
  /// images.
  void start();
  /// Blocks until this rank's part is done. What `local` throws is kept for `error`, and messages
  /// are exchanged all the same, so that no other rank waits for ever.
  void finish();
  const std::exception_ptr& error() const { return error_; }
  /// When this rank had no more to compute and to send; rank 0: to compute.
  std::chrono::steady_clock::time_point ended() const { return ended_; }

  /// Collective: the rates of a bare exchange of the same bytes without computing, on rank 0; the
  /// faster of the library's scatter and gather, and of messages of whole parts.
  Ceilings measure_ceilings();

 private:
  using Queue = std::deque<std::unique_ptr<Message>>;
  struct Arrival {
    std::unique_ptr<Message> message;
    Range images;
  };
  struct Computation {
    Range images;
    Backend::Ticket ticket;
  };
  /// All images or all results: so many elements each, from rank 0 to the others or back.
  struct Cargo {
    std::byte* buffer;
    std::int64_t elements;
    bool leaves_root;
  };

  std::int64_t bytes_of(std::int64_t images, std::int64_t elements) const {
    return images * elements * size_of(config_.dtype);
  }
  /// Where image `image` of the whole workload begins in one of our buffers.
  std::byte* at(std::byte* buffer, std::int64_t image, std::int64_t elements) const {
    return buffer + bytes_of(image - (ranks_.is_root() ? 0 : mine().images.begin), elements);
  }
  auto send(std::byte* buffer, Range images, std::int64_t elements, int to) const {
    return ranks_.comm().send(at(buffer, images.begin, elements), bytes_of(images.size(), elements),
                              to);
  }
  auto receive(std::byte* buffer, Range images, std::int64_t elements, int from) const {
    return ranks_.comm().receive(at(buffer, images.begin, elements),
                                 bytes_of(images.size(), elements), from);
  }
  const RankPart& part_of(int rank) const { return parts_[static_cast<std::size_t>(rank)]; }
  const RankPart& mine() const { return part_of(ranks_.rank()); }
  std::int64_t others_images() const { return config_.shape.images - parts_.front().images.size(); }

  void compute(Range images);
  bool is_computed(const Computation& computation);
  void start_root();
  void start_leaf();
  void ask_for_chunks();
  bool advance_root();
  bool advance_leaf();
  bool is_over() const;
  void attempt(const std::function<void()>& step);
  /// Moves it; says no where that is not possible.
  bool exchange_by_library(const Cargo& cargo) const;
  bool exchange_by_messages(const Cargo& cargo) const;
  double time_bare(const Cargo& cargo) const;

  const Ranks& ranks_;
  const Config config_;
  const std::vector<RankPart> parts_;
  bool naps_ = false;  // workers have no processor to spare for a thread that only looks
  HostBuffers buffers_;
  Backend* local_ = nullptr;
  std::vector<Queue> sends_, receives_;  // of rank 0 with each other; a leaf has one queue of sends
  std::unique_ptr<Message> filters_;     // on their way to a leaf
  std::deque<Range> expected_;           // chunks that a leaf has not asked for yet
  std::deque<Arrival> arrivals_;         // chunks on their way to a leaf
  std::deque<Computation> computing_;    // chunks that `local` has, in their order
  std::exception_ptr error_;
  std::chrono::steady_clock::time_point ended_;
};

}  // namespace convscale
