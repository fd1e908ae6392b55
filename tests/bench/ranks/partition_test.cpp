// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/partition.hpp"

#include "bench/ranks/scatter_gather.hpp"
#include "common/error.hpp"
#include "common/thread_team.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <tuple>

namespace convscale {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int> workers_of(const std::vector<RankPart>& shares) {
  std::vector<int> workers;
  for (const RankPart& share : shares) workers.push_back(share.num_workers);
  return workers;
}

TEST(Shares, WorkersAreDealtRoundRobin) {
  EXPECT_THAT(workers_of(deal_parts(100, 7, 3)), ElementsAre(3, 2, 2));
  EXPECT_THAT(workers_of(deal_parts(100, 896, 64)), ::testing::Each(14));
  EXPECT_THAT(workers_of(deal_parts(100, 2, 4)), ElementsAre(1, 1, 0, 0));
}

TEST(Shares, HoldEveryImageOnceInOrderAndEachWorkersBlockIsThatOfOneProcess) {
  for (const auto& [images, workers, ranks] : std::vector<std::tuple<int, int, int>>{
           {33, 4, 2}, {33, 4, 3}, {1, 4, 4}, {5, 2, 4}, {8192, 896, 64}, {7, 7, 1}, {10, 9, 4}}) {
    const auto shares = deal_parts(images, workers, ranks);
    std::int64_t next = 0, worker = 0;
    for (const RankPart& share : shares) {
      if (share.num_workers == 0) {
        EXPECT_EQ(share.images.size(), 0);
        continue;
      }
      EXPECT_EQ(share.images.begin, next);
      next = share.images.end;
      for (int own = 0; own < share.num_workers; ++own, ++worker) {
        const Range inside = block_of(share.images.size(), share.num_workers, own);
        const Range global = block_of(images, workers, worker);
        EXPECT_EQ(share.images.begin + inside.begin, global.begin) << images << " " << workers;
        EXPECT_EQ(share.images.begin + inside.end, global.end) << images << " " << workers;
      }
    }
    EXPECT_EQ(next, images);
  }
}

TEST(Shares, ConfigHasTheShareOnly) {
  Config config;
  config.shape.images = 33;
  config.num_workers = 4;
  const RankPart share{2, {17, 25}};
  const Config part = config_of(config, share);
  EXPECT_EQ(part.shape.images, 8);
  EXPECT_EQ(part.num_workers, 2);
}

Config chosen(std::vector<int> devices) {
  Config config;
  config.backend = "cuda";
  config.devices = std::move(devices);
  config.devices_chosen = true;
  return config;
}

TEST(Devices, EachRankTakesItsOwn) {
  EXPECT_THAT(devices_of(Config(), 4, 0, 1), ElementsAre(0));
  EXPECT_THAT(devices_of(Config(), 4, 2, 3), ElementsAre(2));
  EXPECT_THAT(devices_of(chosen({}), 4, 1, 2), ElementsAre(2, 3));
  EXPECT_THAT(devices_of(chosen({3, 1, 0}), 4, 0, 2), ElementsAre(3, 1));
}

TEST(Devices, OneThatALauncherGaveARankIsItsOwn) {
  EXPECT_THAT(devices_of(Config(), 1, 3, 4), ElementsAre(0));
}

TEST(Devices, FewerThanRanksAreRefused) {
  EXPECT_THROW(devices_of(Config(), 2, 2, 3), UnsupportedError);
  EXPECT_THROW(devices_of(chosen({0}), 2, 0, 2), UnsupportedError);
  EXPECT_THROW(devices_of(chosen({1}), 1, 0, 2), UnsupportedError) << "not the first";
}

std::vector<std::int64_t> sizes_of(const std::vector<Range>& chunks) {
  std::vector<std::int64_t> sizes;
  for (const Range& chunk : chunks) sizes.push_back(chunk.end - chunk.begin);
  return sizes;
}

Config images_of(std::int64_t side) {
  Config config;
  config.shape.height = config.shape.width = side;
  return config;
}

TEST(Chunks, AreSomeMegabytesInWholeRoundsOfTheWorkers) {
  EXPECT_THAT(sizes_of(chunks_of({1, {17, 20}}, images_of(1000))), ElementsAre(1, 1, 1));
  EXPECT_THAT(sizes_of(chunks_of({3, {0, 10}}, images_of(1000))), ElementsAre(3, 3, 3, 1));
  EXPECT_THAT(sizes_of(chunks_of({3, {0, 20}}, images_of(256))), ElementsAre(9, 9, 2));
  EXPECT_THAT(chunks_of({0, {}}, images_of(256)), IsEmpty());
}

TEST(Chunks, CoverTheShareAndAreNotTooMany) {
  const RankPart share{2, {5, 100'005}};
  const auto chunks = chunks_of(share, images_of(8));
  EXPECT_LE(chunks.size(), 256u);
  EXPECT_EQ(chunks.front().begin, 5);
  EXPECT_EQ(chunks.back().end, 100'005);
  for (std::size_t i = 1; i < chunks.size(); ++i) EXPECT_EQ(chunks[i].begin, chunks[i - 1].end);
}

TEST(Chunks, OfSplitImagesAreNotRoundedToWorkers) {
  Config config = images_of(1000);
  config.schedule = Schedule::kSplit;
  EXPECT_THAT(sizes_of(chunks_of({3, {0, 2}}, config)), ElementsAre(1, 1));
}

}  // namespace
}  // namespace convscale
