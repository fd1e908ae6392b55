// SPDX-License-Identifier: Apache-2.0
#include "common/thread_team.hpp"

#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <latch>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace convscale {
namespace {

using ::testing::Each;
using testing::message_of;

static_assert(block_of(10, 4, 0) == Range{0, 3} && block_of(10, 4, 1) == Range{3, 6});
static_assert(block_of(10, 4, 2) == Range{6, 8} && block_of(10, 4, 3) == Range{8, 10});
static_assert(block_of(2, 4, 3).size() == 0);

TEST(BlockOf, BlocksAreContiguousInOrderAndEven) {
  for (std::int64_t count = 0; count <= 40; ++count) {
    for (std::int64_t parts = 1; parts <= 12; ++parts) {
      std::int64_t next = 0;
      for (std::int64_t part = 0; part < parts; ++part) {
        const Range block = block_of(count, parts, part);
        ASSERT_EQ(block.begin, next) << count << " in " << parts << ", " << part;
        ASSERT_GE(block.size(), count / parts);
        ASSERT_LE(block.size(), (count + parts - 1) / parts);
        next = block.end;
      }
      ASSERT_EQ(next, count) << count << " in " << parts;
    }
  }
}

class ThreadTeamOf : public ::testing::TestWithParam<bool> {};  // spin or not
INSTANTIATE_TEST_SUITE_P(Spin, ThreadTeamOf, ::testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "spinning" : "sleeping");
});

TEST_P(ThreadTeamOf, RunsAJobOnceOnEveryWorker) {
  for (const int size : {1, 2, 5}) {
    ThreadTeam team(size, {}, GetParam());
    EXPECT_EQ(team.size(), size);
    std::vector<int> calls(static_cast<std::size_t>(size));
    std::vector<std::thread::id> threads(calls.size());
    team.run([&](int worker) {
      ++calls[static_cast<std::size_t>(worker)];
      threads[static_cast<std::size_t>(worker)] = std::this_thread::get_id();
    });
    EXPECT_THAT(calls, Each(1));
    EXPECT_EQ(std::set(threads.begin(), threads.end()).size(), calls.size());
    team.run([&](int worker) {
      EXPECT_EQ(threads[static_cast<std::size_t>(worker)], std::this_thread::get_id());
    });
  }
}

TEST_P(ThreadTeamOf, RunsJobsInTheOrderOfTheirStartAndWaitsForThem) {
  constexpr int kJobs = 600;
  ThreadTeam team(3, {}, GetParam());
  std::vector<std::vector<int>> logs(3);
  ThreadTeam::Ticket last = 0;
  for (int job = 0; job < kJobs; ++job) {
    const ThreadTeam::Ticket ticket = team.start(
        [&logs, job](int worker) { logs[static_cast<std::size_t>(worker)].push_back(job); });
    EXPECT_GT(ticket, last);
    last = ticket;
    if (job % 3 != 0) continue;
    team.wait(ticket);
    for (const auto& log : logs) ASSERT_EQ(log.size(), static_cast<std::size_t>(job) + 1);
    if (job % 120 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // it sleeps
  }
  team.wait(last);
  std::vector<int> expected(kJobs);
  std::iota(expected.begin(), expected.end(), 0);
  for (const auto& log : logs) EXPECT_EQ(log, expected);
}

TEST(ThreadTeam, StartDoesNotWaitAndWorkersGoOnByThemselves) {
  ThreadTeam team(2);
  std::latch in_second(1);
  // Worker 0 stays in the first job until worker 1 has reached the second.
  team.start([&](int worker) {
    if (worker == 0) in_second.wait();
  });
  const ThreadTeam::Ticket second = team.start([&](int worker) {
    if (worker == 1) in_second.count_down();
  });
  team.wait(second);
  EXPECT_TRUE(in_second.try_wait());
}

TEST(ThreadTeam, WaitIsForAJobAndTheEarlierOnesNotForLaterOnes) {
  ThreadTeam team(2);
  std::latch gate(1);
  std::atomic<int> first{0}, later{0};
  const ThreadTeam::Ticket one = team.start([&](int) { ++first; });
  const ThreadTeam::Ticket two = team.start([&](int) { ++first; });
  const ThreadTeam::Ticket three = team.start([&](int) {
    gate.wait();
    ++later;
  });
  team.wait(two);
  EXPECT_EQ(first, 4);
  EXPECT_EQ(later, 0);
  team.wait(one);  // long done
  gate.count_down();
  team.wait(three);
  EXPECT_EQ(later, 2);
}

TEST(ThreadTeam, IsDoneOnceEveryThreadIs) {
  ThreadTeam team(2);
  std::atomic<bool> go{false};
  const auto quick = team.start([](int) {});
  const auto slow = team.start([&](int worker) {
    while (worker == 1 && !go) std::this_thread::yield();
  });
  team.wait(quick);
  EXPECT_TRUE(team.is_done(quick));
  EXPECT_FALSE(team.is_done(slow));
  go = true;
  while (!team.is_done(slow)) std::this_thread::yield();
  team.wait(slow);
}

TEST(ThreadTeam, OnStartRunsOnceOnEachThreadBeforeItsJobs) {
  std::vector<std::thread::id> threads(3);
  ThreadTeam team(3, [&](int worker) {
    EXPECT_EQ(threads[static_cast<std::size_t>(worker)], std::thread::id());
    threads[static_cast<std::size_t>(worker)] = std::this_thread::get_id();
  });
  team.run([&](int worker) {
    EXPECT_EQ(threads[static_cast<std::size_t>(worker)], std::this_thread::get_id());
  });
}

TEST(ThreadTeam, AnExceptionReachesWaitAndTheTeamWorksOn) {
  ThreadTeam team(3);
  for (int round = 0; round < 30; ++round) {
    std::atomic<int> calls{0};
    EXPECT_EQ(message_of<std::out_of_range>([&] {
                team.run([&](int worker) {
                  ++calls;
                  if (worker == 1) throw std::out_of_range("worker 1");
                });
              }),
              "worker 1");
    EXPECT_EQ(calls, 3);
    calls = 0;
    EXPECT_NO_THROW(team.run([&](int) { ++calls; }));
    EXPECT_EQ(calls, 3);
  }
}

TEST(ThreadTeam, TheErrorOfTheEarliestJobIsTheOneThrownAndItIsThrownOnce) {
  ThreadTeam team(2);
  std::atomic<int> after{0};
  team.start([](int) {});
  team.start([](int worker) {
    if (worker == 0) throw std::runtime_error("second job");
  });
  team.start([](int) { throw std::runtime_error("third job"); });
  const ThreadTeam::Ticket last = team.start([&](int) { ++after; });
  EXPECT_EQ(message_of<std::runtime_error>([&] { team.wait(last); }), "second job");
  EXPECT_EQ(after, 2);
  EXPECT_NO_THROW(team.wait(last));
  EXPECT_NO_THROW(team.run([](int) {}));
}

TEST(ThreadTeam, OnStartErrorsReachTheConstructor) {
  for (const int size : {1, 4}) {
    EXPECT_EQ(message_of<ResourceError>([&] {
                ThreadTeam team(size, [size](int worker) {
                  if (worker == size - 1) throw ResourceError("cannot pin");
                });
              }),
              "cannot pin");
  }
}

TEST(ThreadTeam, OnStartErrorsKeepTheirTypeThoughItBeThatOfThreads) {
  EXPECT_THROW(ThreadTeam(2,
                          [](int worker) {
                            if (worker == 0) throw std::system_error(EIO, std::generic_category());
                          }),
               std::system_error);
}

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST(ThreadTeam, WithoutTheMemoryForAllNoneIsStarted) {
  const std::ptrdiff_t before = threads_of_this_process();
  EXPECT_THAT(message_of<ResourceError>([] {
                ThreadTeam team(2'000'000'000, [](int) { ADD_FAILURE() << "one was started"; });
              }),
              ::testing::StartsWith("2000000000 threads need 98304.00 GB of memory and "));
  EXPECT_EQ(threads_of_this_process(), before);
}

TEST(ThreadTeam, ForEachBlockGivesEachWorkerItsBlockAndForEachIndexEachOnce) {
  ThreadTeam team(3);
  for (const std::int64_t count : {0, 1, 2, 3, 10, 100}) {
    std::vector<Range> blocks(3, Range{-1, -1});
    std::vector<int> visits(static_cast<std::size_t>(count));
    team.for_each_block(count, [&](int worker, std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(blocks[static_cast<std::size_t>(worker)], (Range{-1, -1}));
      blocks[static_cast<std::size_t>(worker)] = {begin, end};
      for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    EXPECT_THAT(visits, Each(1));
    for (std::int64_t worker = 0; worker < 3; ++worker) {
      const Range expected = worker < count ? block_of(count, 3, worker) : Range{-1, -1};
      EXPECT_EQ(blocks[static_cast<std::size_t>(worker)], expected) << worker << " of " << count;
    }
    team.for_each_index(count, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
    EXPECT_THAT(visits, Each(2)) << count;
  }
}

TEST(ThreadTeam, ForEachIndexGivesTheNextIndexToWhoeverIsFree) {
  ThreadTeam team(2);
  std::latch rest(9);
  std::vector<std::thread::id> threads(10);
  team.for_each_index(10, [&](std::int64_t i) {
    threads[static_cast<std::size_t>(i)] = std::this_thread::get_id();
    // Whoever has the first index keeps it until the other has done all the rest.
    i == 0 ? rest.wait() : rest.count_down();
  });
  const std::set<std::thread::id> others(threads.begin() + 1, threads.end());
  EXPECT_EQ(others.size(), 1u);
  EXPECT_FALSE(others.contains(threads[0]));
}

TEST(ThreadTeam, EndsWithJobsQueued) {
  std::atomic<int> calls{0};
  const auto held = std::make_shared<int>(0);
  {
    ThreadTeam team(2);
    team.run([held](int) {});
    team.start([&](int) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
    for (int job = 0; job < 50; ++job) team.start([&, held](int) { ++calls; });
  }
  EXPECT_EQ(held.use_count(), 1) << "jobs are destroyed";
  const int at_end = calls;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(calls, at_end) << "nothing runs on after the destructor";
}

TEST(ThreadTeam, EndsAtOnce) {
  for (int i = 0; i < 40; ++i) ThreadTeam team(3, {}, i % 2 == 0);
}

}  // namespace
}  // namespace convscale
