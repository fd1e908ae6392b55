// SPDX-License-Identifier: Apache-2.0
// MPI's Comm, on as many ranks as the launcher starts: every rank runs every test.
#include "bench/ranks/comm_mpi.hpp"

#include "common/limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace convscale {
namespace {

std::unique_ptr<Comm> comm;  // MPI can be started once in a process

using Bytes = std::vector<std::byte>;

void finish(Message& message) {
  while (!message.is_done()) std::this_thread::yield();
}

/// Bytes that differ from rank to rank and from place to place.
Bytes pattern(std::size_t count, int rank) {
  Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::byte>((i * 131 + static_cast<std::size_t>(rank) * 17) % 251);
  return bytes;
}

TEST(CommMpi, KnowsItsLibrary) {
  EXPECT_THAT(comm->library(), ::testing::ContainsRegex("^(Open MPI|MPICH) [0-9]+\\.[0-9]+"));
  EXPECT_LT(comm->rank(), comm->size());
}

TEST(CommMpi, GathersAnyBytesOfAnyLength) {
  for (int round = 0; round < 3; ++round) {
    const std::string mine(static_cast<std::size_t>(comm->rank() * 1000 + round),
                           static_cast<char>(comm->rank()));
    const auto all = comm->all_gather(mine);
    ASSERT_EQ(all.size(), static_cast<std::size_t>(comm->size()));
    for (int rank = 0; rank < comm->size(); ++rank) {
      EXPECT_EQ(
          all[static_cast<std::size_t>(rank)],
          std::string(static_cast<std::size_t>(rank * 1000 + round), static_cast<char>(rank)));
    }
  }
  comm->barrier();
}

TEST(CommMpi, MessagesArriveInTheirOrder) {
  constexpr std::size_t kMessages = 20, kBytes = 100'000;
  std::vector<std::unique_ptr<Message>> messages;
  std::vector<Bytes> buffers;
  buffers.reserve(kMessages * static_cast<std::size_t>(comm->size()));
  for (int other = 0; other < comm->size(); ++other) {
    if ((comm->rank() == 0) == (other == 0)) continue;  // rank 0 with each other
    for (std::size_t i = 0; i < kMessages; ++i) {
      Bytes& buffer = buffers.emplace_back(
          comm->rank() == 0 ? pattern(kBytes + i, static_cast<int>(i)) : Bytes(kBytes + i));
      messages.push_back(comm->rank() == 0 ? comm->send(buffer.data(), std::ssize(buffer), other)
                                           : comm->receive(buffer.data(), std::ssize(buffer), 0));
    }
  }
  for (const auto& message : messages) finish(*message);
  if (comm->rank() == 0) return;
  for (std::size_t i = 0; i < kMessages; ++i)
    EXPECT_TRUE(buffers[i] == pattern(kBytes + i, static_cast<int>(i))) << i;
}

TEST(CommMpi, BlocksGoOutAndBack) {
  Blocks blocks{.unit_bytes = 24, .first = {}, .count = {}};
  std::int64_t units = 0;
  for (int rank = 0; rank < comm->size(); ++rank) {
    blocks.first.push_back(units);
    blocks.count.push_back(rank == 1 ? 0 : rank + 2);  // one has none
    units += blocks.count.back();
  }
  const auto me = static_cast<std::size_t>(comm->rank());
  const Bytes sent = pattern(static_cast<std::size_t>(units * blocks.unit_bytes), 0);
  Bytes all = comm->rank() == 0 ? sent : Bytes();
  Bytes mine(static_cast<std::size_t>(blocks.count[me] * blocks.unit_bytes));
  ASSERT_TRUE(comm->scatter(all.data(), blocks, mine.data()));
  if (comm->rank() > 0) {
    EXPECT_TRUE(
        std::equal(mine.begin(), mine.end(), sent.begin() + blocks.first[me] * blocks.unit_bytes));
  } else {
    EXPECT_TRUE(all == sent);
    // Only rank 0's own block stays where it is.
    std::fill(all.begin() + blocks.count[0] * blocks.unit_bytes, all.end(), std::byte{0});
  }
  ASSERT_TRUE(comm->gather(mine.data(), blocks, all.data()));
  EXPECT_TRUE(comm->rank() > 0 || all == sent);
}

TEST(CommMpi, CountsThatNoLibraryTakesAreRefused) {
  Blocks blocks{.unit_bytes = 1, .first = {}, .count = {}};
  for (int rank = 0; rank < comm->size(); ++rank) {
    blocks.first.push_back(0);
    blocks.count.push_back(std::int64_t{1} << 31);
  }
  EXPECT_FALSE(comm->scatter(nullptr, blocks, nullptr));
  EXPECT_FALSE(comm->gather(nullptr, blocks, nullptr));
}

/// More than 2^31 bytes in one message, and in one block of an odd unit.
TEST(CommMpi, CountsPass2To31) {
  constexpr std::int64_t kUnit = (std::int64_t{1} << 30) + 8;
  constexpr std::int64_t kBytes = 2 * kUnit + 8;
  constexpr std::int64_t kNeeded = std::int64_t{6} << 30;
  if (comm->size() != 2) GTEST_SKIP() << "two ranks are enough for this one";
  // The ranks must not differ.
  for (const std::string& enough :
       comm->all_gather(available_memory_bytes().value_or(0) > kNeeded ? "yes" : "no")) {
    if (enough == "no") GTEST_SKIP() << "needs 6 GiB of memory";
  }
  // Zeros, whose pages take their time when they are written or received.
  const std::unique_ptr<std::byte[], decltype(&std::free)> buffer(
      static_cast<std::byte*>(std::calloc(kBytes, 1)), std::free);
  ASSERT_NE(buffer, nullptr);
  const auto mark = [&](std::int64_t at) { buffer[static_cast<std::size_t>(at)] = std::byte{7}; };
  const auto marked = [&](std::int64_t at) {
    return buffer[static_cast<std::size_t>(at)] == std::byte{7};
  };
  const auto places = {std::int64_t{0}, kUnit, std::int64_t{1} << 31, kBytes - 1};
  if (comm->rank() == 0) {
    for (const std::int64_t at : places) mark(at);
    finish(*comm->send(buffer.get(), kBytes, 1));
  } else {
    finish(*comm->receive(buffer.get(), kBytes, 0));
    for (const std::int64_t at : places) {
      EXPECT_TRUE(marked(at)) << at;
      buffer[static_cast<std::size_t>(at)] = std::byte{1};
    }
    EXPECT_FALSE(marked(1));
  }
  const Blocks blocks{.unit_bytes = kUnit, .first = {0, 0}, .count = {0, 2}};
  ASSERT_TRUE(comm->scatter(buffer.get(), blocks, buffer.get()));
  if (comm->rank() == 1) {
    EXPECT_TRUE(marked(0) && marked(kUnit) && marked(std::int64_t{1} << 31));
    EXPECT_FALSE(marked(kBytes - 1));  // not of these blocks
  }
}

}  // namespace
}  // namespace convscale

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  convscale::comm = convscale::make_mpi_comm();
  if (convscale::comm->rank() > 0) {
    // One rank's account is enough, unless another one fails.
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    if (std::getenv("CONVSCALE_TEST_ALL_RANKS") == nullptr)
      delete listeners.Release(listeners.default_result_printer());
  }
  const int failed = RUN_ALL_TESTS();
  if (failed != 0) std::cout << "rank " << convscale::comm->rank() << " failed\n";
  convscale::comm.reset();
  return failed;
}
