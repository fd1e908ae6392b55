// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/input_cache.hpp"

#include "common/thread_team.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

namespace convscale {
namespace {

Config config_of(std::int64_t images) {
  Config config;
  config.shape = {.images = images, .height = 6, .width = 5, .filter_size = 4, .stride = 5};
  return config;
}

std::shared_ptr<Inputs> shared(InputCache& store, const Config& config,
                               const std::optional<std::string>& placement,
                               std::int64_t first_image = 0) {
  return store.share(config, {first_image, first_image + config.shape.images}, placement);
}

TEST(InputCache, SharesTheSameDataInTheSamePlace) {
  InputCache store;
  const auto first = shared(store, config_of(3), "0 1");
  Config other = config_of(3);
  other.kernel = "scalar";
  other.method = Method::kStrided;
  other.shape.stride = 1;
  EXPECT_EQ(shared(store, other, "0 1"), first);
  EXPECT_NE(shared(store, other, "0 0"), first) << "pages lie elsewhere";
  EXPECT_NE(shared(store, other, std::nullopt), first) << "wants memory of its own";
}

TEST(InputCache, KeepsDifferentDataApart) {
  InputCache store;
  const auto first = shared(store, config_of(3), "");
  const auto differs = [&](auto&& change) {
    Config config = config_of(3);
    change(config);
    return shared(store, config, "") != first;
  };
  EXPECT_TRUE(differs([](Config& c) { c.shape.images = 4; }));
  EXPECT_TRUE(differs([](Config& c) { c.shape.height = 5, c.shape.width = 6; }));
  EXPECT_TRUE(differs([](Config& c) { c.shape.filter_size = 3; }));
  EXPECT_TRUE(differs([](Config& c) { c.dtype = Dtype::kFloat32; }));
  EXPECT_TRUE(differs([](Config& c) { c.fill = Fill::kIntegers; }));
  EXPECT_TRUE(differs([](Config& c) { c.seed = 1; }));
  EXPECT_TRUE(differs([](Config& c) { c.filters_from_file = true; }));
  EXPECT_NE(shared(store, config_of(3), "", 1), first);
  EXPECT_FALSE(differs([](Config&) {}));
}

TEST(InputCache, MemoryOfItsOwnIsNeverHandedOutAgain) {
  InputCache store;
  const auto first = shared(store, config_of(3), std::nullopt);
  EXPECT_NE(shared(store, config_of(3), std::nullopt), first);
  EXPECT_NE(shared(store, config_of(3), ""), first);
}

TEST(InputCache, GivesUpWhatNobodyUsesAndKeepsWhatIsInUse) {
  InputCache store;
  std::weak_ptr<Inputs> unused = shared(store, config_of(3), "");
  EXPECT_FALSE(unused.expired()) << "the next configuration may want it";
  const auto in_use = shared(store, config_of(4), "");
  EXPECT_TRUE(unused.expired());
  const auto other = shared(store, config_of(5), "");
  EXPECT_EQ(shared(store, config_of(4), ""), in_use);
}

TEST(Inputs, AreAllocatedAndFilledOnce) {
  const Config config = config_of(3);
  Inputs inputs(config, {0, 3});
  EXPECT_EQ(inputs.bytes_to_take(), 3 * (30 + 16) * 8);
  inputs.allocate();
  const std::byte* const data = inputs.images().data();
  EXPECT_EQ(inputs.bytes_to_take(), 0);
  inputs.allocate();
  EXPECT_EQ(inputs.images().data(), data);

  ThreadTeam team(2);
  const Workload workload(config.shape, config.fill, config.seed);
  inputs.fill(workload, team, [](double) { return false; });
  EXPECT_FALSE(inputs.is_filled()) << "it was interrupted";
  inputs.fill(workload, team, [](double) { return true; });
  EXPECT_TRUE(inputs.is_filled());
  std::vector<double> expected(30);
  workload.image(2, expected.data());
  EXPECT_TRUE(
      std::equal(expected.begin(), expected.end(), inputs.images().as<double>().data() + 60));
}

}  // namespace
}  // namespace convscale
