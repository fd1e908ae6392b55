// SPDX-License-Identifier: Apache-2.0
// What several ranks measure of the hardware, with ranks that are threads and times of our own.
#include "bench/ranks/scatter_gather.hpp"

#include "bench/backend_around.hpp"
#include "bench/ranks/cluster_backend.hpp"
#include "bench/ranks/thread_comm.hpp"
#include "common/buffer.hpp"
#include "common/error.hpp"
#include "common/limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing::run_as_ranks;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How long an exchange takes, each way: the library's, and that of messages.
struct Times {
  milliseconds scatter{}, gather{}, send{}, receive{};
};

/// A network on which an exchange moves a clock by what it takes, and bytes are counted.
class TimedComm final : public testing::CommAround {
 public:
  TimedComm(Comm& comm, const Times& times) : CommAround(comm), times_(times) {}

  void barrier() override {
    CommAround::barrier();
    now_ += kBarrier;
  }
  /// A rank that waits for several messages waits for the slowest; here, for one of them.
  std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) override {
    if (std::exchange(sent_bytes_, sent_bytes_ + bytes) == 0) now_ += times_.send;
    return CommAround::send(data, bytes, to);
  }
  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    if (std::exchange(received_bytes_, received_bytes_ + bytes) == 0) now_ += times_.receive;
    return CommAround::receive(data, bytes, from);
  }
  bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) override {
    scattered_bytes_ += bytes_of_others(blocks);
    now_ += times_.scatter;
    return CommAround::scatter(all, blocks, mine);
  }
  bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) override {
    gathered_bytes_ += bytes_of_others(blocks);
    now_ += times_.gather;
    return CommAround::gather(mine, blocks, all);
  }

  Clock::time_point now() const override { return now_; }
  std::int64_t sent_bytes() const { return sent_bytes_; }
  std::int64_t received_bytes() const { return received_bytes_; }
  std::int64_t scattered_bytes() const { return scattered_bytes_; }
  std::int64_t gathered_bytes() const { return gathered_bytes_; }

 private:
  static constexpr milliseconds kBarrier{7};

  static std::int64_t bytes_of_others(const Blocks& blocks) {
    std::int64_t units = 0;
    for (std::size_t rank = 1; rank < blocks.count.size(); ++rank) units += blocks.count[rank];
    return units * blocks.unit_bytes;
  }

  const Times times_;
  Clock::time_point now_;
  std::int64_t sent_bytes_ = 0, received_bytes_ = 0, scattered_bytes_ = 0, gathered_bytes_ = 0;
};

Config config_of_ranks() {
  Config config;
  config.shape = {.images = 12, .height = 20, .width = 30, .filter_size = 4, .stride = 5};
  config.num_workers = 3;
  config.ranks = 3;
  return config;
}

struct Measured {
  Ceilings ceilings;
  std::int64_t sent_bytes, received_bytes, scattered_bytes, gathered_bytes;
};

/// What rank 0 of three measures.
Measured measure_exchange(const Times& times) {
  const Config config = config_of_ranks();
  return run_as_ranks<Measured>(
             config.ranks,
             [&](Comm& threads) {
               TimedComm comm(threads, times);
               Ranks ranks(comm, [] { return false; });
               const PageBuffer images(config.shape.images * config.shape.pixels() * 8, "images"),
                   filters(config.shape.images * config.shape.taps() * 8, "filters"),
                   results(config.shape.images * config.shape.outputs() * 8, "results");
               ScatterGather exchange(ranks, config,
                                      deal_parts(config.shape.images, 3, config.ranks));
               exchange.prepare({images.data(), filters.data(), results.data()}, nullptr);
               const Ceilings ceilings = exchange.measure_ceilings();
               return Measured{ceilings, comm.sent_bytes(), comm.received_bytes(),
                               comm.scattered_bytes(), comm.gathered_bytes()};
             })
      .front();
}

TEST(ScatterGather, RatesAreBytesOfTheOthersOverTheTimeOfTheFasterWay) {
  const Shape s = config_of_ranks().shape;
  const double up = 8 * static_cast<double>(s.pixels() * 8),  // of two ranks' eight images
      down = 8 * static_cast<double>(s.outputs() * 8);
  const Measured library =
      measure_exchange({milliseconds(200), milliseconds(50), milliseconds(400), milliseconds(300)});
  EXPECT_DOUBLE_EQ(library.ceilings.scatter_bytes_per_s.value(), up / 0.200);
  EXPECT_DOUBLE_EQ(library.ceilings.gather_bytes_per_s.value(), down / 0.050);
  const Measured messages =
      measure_exchange({milliseconds(200), milliseconds(50), milliseconds(100), milliseconds(10)});
  EXPECT_DOUBLE_EQ(messages.ceilings.scatter_bytes_per_s.value(), up / 0.100);
  EXPECT_DOUBLE_EQ(messages.ceilings.gather_bytes_per_s.value(), down / 0.010);
  for (const Measured& measured : {library, messages}) {
    EXPECT_EQ(static_cast<double>(measured.scattered_bytes), up);
    EXPECT_EQ(static_cast<double>(measured.gathered_bytes), down);
    EXPECT_EQ(static_cast<double>(measured.sent_bytes), up);
    EXPECT_EQ(static_cast<double>(measured.received_bytes), down);
  }
}

/// Knows its ceilings.
class ModelBackend final : public testing::IdleBackend {
 public:
  explicit ModelBackend(double rate) : rate_(rate) {}
  Ceilings measure_ceilings() override {
    return {.read_bytes_per_s = rate_,
            .copy_bytes_per_s = 1e5 * rate_,
            .peak_flops_per_s = 10 * rate_,
            .up_bytes_per_s = 100 * rate_,
            .down_bytes_per_s = 1e3 * rate_,
            .duplex_bytes_per_s = 1e4 * rate_};
  }

 private:
  double rate_;
};

TEST(Cluster, CeilingsAreTheSumOfTheRanks) {
  Config config = config_of_ranks();
  config.distribute = Distribute::kLocal;
  const auto sums = run_as_ranks<Ceilings>(3, [&](Comm& comm) {
    Ranks ranks(comm, [] { return false; });
    BackendTable table = backends();
    table.front().create = [&](const Config&, const Assignment&) -> std::unique_ptr<Backend> {
      const std::vector<double> rates{3, 20, 100};
      return std::make_unique<ModelBackend>(rates.at(static_cast<std::size_t>(comm.rank())));
    };
    return spread_over(ranks, table).front().create(config, {})->measure_ceilings();
  });
  for (const Ceilings& sum : sums) {
    EXPECT_EQ(sum.read_bytes_per_s, 123);
    EXPECT_EQ(sum.copy_bytes_per_s, 123e5);
    EXPECT_EQ(sum.peak_flops_per_s, 1230);
    EXPECT_EQ(sum.up_bytes_per_s, 12300);
    EXPECT_EQ(sum.down_bytes_per_s, 123e3);
    EXPECT_EQ(sum.duplex_bytes_per_s, 123e4);
    EXPECT_FALSE(sum.scatter_bytes_per_s) << "nothing travels";
  }
}

/// Each rank's workers would fit, and those of all do not: no rank starts any.
TEST(Cluster, WorkersOfAllRanksNeedMemoryTogether) {
  const std::int64_t fit = available_memory_bytes().value_or(0) / kThreadBytes;
  Config config = config_of_ranks();
  config.ranks = 2;
  config.num_workers = static_cast<int>(std::min<std::int64_t>(fit * 3 / 2, 2'000'000'000));
  config.shape.images = config.num_workers;
  if (fit == 0 || config.num_workers < fit) GTEST_SKIP() << "the memory is not known, or endless";
  std::atomic<int> made{0};
  const auto errors = run_as_ranks<std::string>(config.ranks, [&](Comm& comm) -> std::string {
    Ranks ranks(comm, [] { return false; });
    BackendTable table = backends();
    table.front().create = [&](const Config&, const Assignment&) -> std::unique_ptr<Backend> {
      ++made;
      return std::make_unique<ModelBackend>(1);
    };
    try {
      spread_over(ranks, table).front().create(config, {});
      return "made";
    } catch (const ResourceError& error) {
      return error.what();
    }
  });
  EXPECT_THAT(errors, Each(HasSubstr(std::to_string(config.num_workers) + " threads need ")));
  EXPECT_EQ(made, 0);
}

}  // namespace
}  // namespace convscale
