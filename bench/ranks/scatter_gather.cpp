// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/scatter_gather.hpp"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace convscale {
namespace {

/// Chunks that a leaf asks for at a time.
constexpr std::size_t kWindow = 2;

using Queue = std::deque<std::unique_ptr<Message>>;

/// Drops what is done from the front, and says whether that was anything: messages of one pair of
/// ranks end in about the order in which they began.
bool drop_done(Queue& queue) {
  const std::size_t before = queue.size();
  while (!queue.empty() && queue.front()->is_done()) queue.pop_front();
  return queue.size() < before;
}

}  // namespace

std::vector<Range> chunks_of(const RankPart& part, const Config& config) {
  if (part.images.size() == 0) return {};
  constexpr std::int64_t kChunkBytes = std::int64_t{4} << 20;
  constexpr std::int64_t kMostChunks = 256;  // messages cost memory and time of their own
  const std::int64_t image_bytes = config.shape.pixels() * size_of(config.dtype);
  // Whole rounds of the workers, unless they share each image.
  const std::int64_t round = config.schedule == Schedule::kSplit ? 1 : part.num_workers;
  std::int64_t images = std::max(kChunkBytes / image_bytes, part.images.size() / kMostChunks);
  images = std::max<std::int64_t>(1, (images + round - 1) / round) * round;
  std::vector<Range> chunks;
  for (std::int64_t first = part.images.begin; first < part.images.end; first += images)
    chunks.push_back({first, std::min(first + images, part.images.end)});
  return chunks;
}

ScatterGather::ScatterGather(const Ranks& ranks, Config config, std::vector<RankPart> parts)
    : ranks_(ranks), config_(std::move(config)), parts_(std::move(parts)) {
  int threads = 0;  // workers, and those that move messages
  for (int rank = 0; rank < ranks.size(); ++rank) {
    if (ranks.shares_processors(rank)) threads += 1 + part_of(rank).num_workers;
  }
  naps_ = threads > ranks.processors();
}

std::int64_t ScatterGather::wire_bytes() const {
  const Shape& s = config_.shape;
  std::int64_t bytes = 0;
  for (int rank = 1; rank < ranks_.size(); ++rank) {
    if (!ranks_.are_on_one_host(rank, 0))
      bytes += bytes_of(part_of(rank).images.size(), s.pixels() + s.taps() + s.outputs());
  }
  return bytes;
}

void ScatterGather::attempt(const std::function<void()>& step) {
  if (error_) return;
  try {
    step();
  } catch (...) {
    error_ = std::current_exception();
  }
}

/// Hands images of the whole workload to `local`, which has them from its first one on.
void ScatterGather::compute(Range images) {
  Backend::Ticket ticket = 0;
  const std::int64_t first = mine().images.begin;
  attempt([&] { ticket = local_->start({images.begin - first, images.end - first}); });
  computing_.push_back({images, ticket});
}

/// Also of one that failed.
bool ScatterGather::is_computed(const Computation& computation) {
  bool done = false;
  attempt([&] { done = local_->is_done(computation.ticket); });
  if (done) attempt([&] { local_->wait(computation.ticket); });
  return done || error_;
}

void ScatterGather::start() {
  error_ = nullptr;
  if (ranks_.is_root()) {
    start_root();
  } else if (mine().images.size() > 0) {
    start_leaf();
  }
}

void ScatterGather::start_root() {
  const Shape& s = config_.shape;
  compute(mine().images);
  sends_.resize(static_cast<std::size_t>(ranks_.size()));
  receives_.resize(sends_.size());
  std::vector<std::vector<Range>> chunks;
  std::size_t most = 0;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    chunks.push_back(rank == 0 ? std::vector<Range>() : chunks_of(part_of(rank), config_));
    most = std::max(most, chunks.back().size());
    if (!chunks.back().empty()) {
      sends_[static_cast<std::size_t>(rank)].push_back(
          send(buffers_.filters, part_of(rank).images, s.taps(), rank));
    }
  }
  // The ranks' chunks in turn, so that all of them begin early.
  for (std::size_t c = 0; c < most; ++c) {
    for (std::size_t r = 1; r < chunks.size(); ++r) {
      if (c >= chunks[r].size()) continue;
      const int rank = static_cast<int>(r);
      receives_[r].push_back(receive(buffers_.results, chunks[r][c], s.outputs(), rank));
      sends_[r].push_back(send(buffers_.images, chunks[r][c], s.pixels(), rank));
    }
  }
}

void ScatterGather::start_leaf() {
  const Shape& s = config_.shape;
  sends_.resize(1);
  filters_ = receive(buffers_.filters, mine().images, s.taps(), 0);
  for (const Range& chunk : chunks_of(mine(), config_)) expected_.push_back(chunk);
  ask_for_chunks();
}

/// A library may copy all that was asked for in one call, as Open MPI does between processes of one
/// host, and nothing is convolved meanwhile: then an iteration takes as long as both together.
void ScatterGather::ask_for_chunks() {
  while (arrivals_.size() < kWindow && !expected_.empty()) {
    const Range chunk = expected_.front();
    expected_.pop_front();
    arrivals_.push_back({receive(buffers_.images, chunk, config_.shape.pixels(), 0), chunk});
  }
}

bool ScatterGather::advance_root() {
  bool moved = false;
  for (std::size_t rank = 1; rank < sends_.size(); ++rank) {
    moved = drop_done(sends_[rank]) || moved;
    moved = drop_done(receives_[rank]) || moved;
  }
  if (computing_.empty() || !is_computed(computing_.front())) return moved;
  computing_.pop_front();
  ended_ = ranks_.now();
  return true;
}

bool ScatterGather::advance_leaf() {
  bool moved = drop_done(sends_.front());
  if (filters_ && filters_->is_done()) filters_.reset();
  while (!filters_ && !arrivals_.empty() && arrivals_.front().message->is_done()) {
    const Range chunk = arrivals_.front().images;
    arrivals_.pop_front();
    compute(chunk);
    moved = true;
    ask_for_chunks();
  }
  while (!computing_.empty() && is_computed(computing_.front())) {
    sends_.front().push_back(
        send(buffers_.results, computing_.front().images, config_.shape.outputs(), 0));
    computing_.pop_front();
    moved = true;
  }
  return moved;
}

bool ScatterGather::is_over() const {
  const auto is_empty = [](const Queue& queue) { return queue.empty(); };
  return expected_.empty() && arrivals_.empty() && computing_.empty() &&
         std::ranges::all_of(sends_, is_empty) && std::ranges::all_of(receives_, is_empty);
}

void ScatterGather::finish() {
  ended_ = ranks_.now();
  while (!is_over()) {
    if (ranks_.is_root() ? advance_root() : advance_leaf()) continue;
    if (naps_) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    } else {
      std::this_thread::yield();
    }
  }
  if (!ranks_.is_root()) ended_ = ranks_.now();
}

bool ScatterGather::exchange_by_library(const Cargo& cargo) const {
  Blocks blocks;
  blocks.unit_bytes = bytes_of(1, cargo.elements);
  for (const RankPart& part : parts_) {
    blocks.first.push_back(part.images.begin);
    blocks.count.push_back(part.images.size());
  }
  return cargo.leaves_root ? ranks_.comm().scatter(cargo.buffer, blocks, cargo.buffer)
                           : ranks_.comm().gather(cargo.buffer, blocks, cargo.buffer);
}

bool ScatterGather::exchange_by_messages(const Cargo& cargo) const {
  const bool sends = ranks_.is_root() == cargo.leaves_root;
  Queue messages;
  for (int rank = 1; rank < ranks_.size(); ++rank) {
    if ((!ranks_.is_root() && rank != ranks_.rank()) || part_of(rank).images.size() == 0) continue;
    const int peer = ranks_.is_root() ? rank : 0;
    messages.push_back(sends ? send(cargo.buffer, part_of(rank).images, cargo.elements, peer)
                             : receive(cargo.buffer, part_of(rank).images, cargo.elements, peer));
  }
  while (!messages.empty()) {
    if (!drop_done(messages)) std::this_thread::yield();
  }
  return true;
}

double ScatterGather::time_bare(const Cargo& cargo) const {
  const auto timed = [&](auto&& step) {
    ranks_.comm().barrier();
    const auto begin = ranks_.now();
    const bool was_possible = step();
    ranks_.comm().barrier();
    const auto end = ranks_.now();
    ranks_.comm().barrier();  // as in the time
    const double time_s = std::chrono::duration<double>(end - begin - (ranks_.now() - end)).count();
    constexpr double kLeast = 1e-9;
    return was_possible ? std::max(time_s, kLeast) : std::numeric_limits<double>::infinity();
  };
  return std::min(timed([&] { return exchange_by_library(cargo); }),
                  timed([&] { return exchange_by_messages(cargo); }));
}

Ceilings ScatterGather::measure_ceilings() {
  const Shape& s = config_.shape;
  const double scatter_s = time_bare({buffers_.images, s.pixels(), true}),
               gather_s = time_bare({buffers_.results, s.outputs(), false});
  Ceilings ceilings;
  if (!ranks_.is_root() || others_images() == 0) return ceilings;
  const auto rate = [&](std::int64_t elements, double time_s) {
    return static_cast<double>(bytes_of(others_images(), elements)) / time_s;
  };
  ceilings.scatter_bytes_per_s = rate(s.pixels(), scatter_s);
  ceilings.gather_bytes_per_s = rate(s.outputs(), gather_s);
  return ceilings;
}

}  // namespace convscale
