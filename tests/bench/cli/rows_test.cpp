// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/rows.hpp"

#include "common/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convscale {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

BackendEntry entry_of(const std::string& name, const std::vector<std::string>& kernels) {
  const auto listings = [kernels] {
    std::vector<Listing> all;
    all.reserve(kernels.size());
    for (const std::string& kernel : kernels) all.push_back({kernel, "", ""});
    return all;
  };
  return {.name = name, .kernels = listings, .devices = nullptr, .create = nullptr};
}

const BackendTable kTable{entry_of("cpu", {"fast", "plain"}), entry_of("cuda", {"tiled", "plain"}),
                          entry_of("missing", {})};

std::vector<Config> product(const std::vector<std::string>& backends,
                            const std::vector<std::string>& kernels) {
  std::vector<Config> configs;
  for (const std::string& backend : backends) {
    for (const std::string& kernel : kernels) {
      configs.emplace_back().backend = backend;
      configs.back().kernel = kernel;
    }
  }
  return configs;
}

std::string usage_error(const std::vector<Config>& configs) {
  try {
    make_rows(configs, kTable);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "none";
}

TEST(PlanRows, KeepsTheOrder) {
  const auto rows = make_rows(product({"cuda", "cpu"}, {"plain", "auto"}), kTable);
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_EQ(rows[0].config.backend + rows[0].config.kernel, "cudaplain");
  EXPECT_EQ(rows[3].config.backend + rows[3].config.kernel, "cpuauto");
  for (const Row& row : rows) EXPECT_EQ(row.impossible, "");
}

TEST(PlanRows, AKernelOfAnotherBackendIsImpossible) {
  const auto rows = make_rows(product({"cpu", "cuda"}, {"fast", "tiled"}), kTable);
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_EQ(rows[0].impossible, "");
  EXPECT_EQ(rows[1].impossible,
            "--kernel tiled: no such kernel of backend cpu; it has auto, fast, plain");
  EXPECT_THAT(rows[2].impossible, HasSubstr("no such kernel of backend cuda"));
  EXPECT_EQ(rows[3].impossible, "");
}

TEST(PlanRows, AKernelThatNobodyKnowsIsAnError) {
  EXPECT_EQ(usage_error(product({"cpu"}, {"auto", "sse9"})),
            "--kernel sse9: no such kernel of backend cpu; expected auto, fast, plain");
  EXPECT_EQ(usage_error(product({"cpu", "cuda"}, {"sse9"})),
            "--kernel sse9: no such kernel of backends cpu, cuda; expected auto, fast, plain, "
            "tiled");
  EXPECT_THAT(usage_error(product({"cpu"}, {"tiled"})), HasSubstr("no such kernel of backend cpu"));
}

TEST(PlanRows, ABackendWithoutKernelsSpeaksForItself) {
  const auto rows = make_rows(product({"missing"}, {"tiled"}), kTable);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].impossible, "");  // making it says why
}

TEST(PlanRows, AsksForKernelsOnlyIfOneIsNamed) {
  BackendTable table = kTable;
  table[1].kernels = []() -> std::vector<Listing> { throw UnsupportedError("asked"); };
  EXPECT_NO_THROW(make_rows(product({"cpu", "cuda"}, {"auto"}), table));
  EXPECT_NO_THROW(make_rows(product({"cpu"}, {"fast"}), table));
  EXPECT_THROW(make_rows(product({"cpu", "cuda"}, {"fast"}), table), UnsupportedError);
}

}  // namespace
}  // namespace convscale
