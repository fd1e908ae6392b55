// SPDX-License-Identifier: Apache-2.0
// The whole program with the backend cuda, from the command line to the JSON.
#include "bench/data/npy.hpp"
#include "bench/outcome.hpp"
#include "cpu/backend.hpp"
#include "cuda/backend.hpp"
#include "cuda/device_test.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace convscale::cuda {
namespace {

using ::convscale::testing::Outcome;
using ::testing::HasSubstr;

class Program : public DeviceTest {};

Outcome run(std::vector<std::string> args) {
  return convscale::testing::run(std::move(args), {cpu_backend(), cuda_backend()});
}

TEST_F(Program, BothBackendsGiveOneDigest) {
  const Outcome outcome =
      run({"--backend", "cpu,cuda", "--size", "40x60", "--mem", "60k", "--iterations", "3",
           "--num_workers", "2", "--fill", "integers", "--json", "-"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(json["records"].size(), 2u);
  const auto &cpu = json["records"][0], &cuda = json["records"][1];
  EXPECT_EQ(cpu["digest"], cuda["digest"]);
  EXPECT_EQ(cuda["status"], "ok");
  EXPECT_EQ(cuda["verification"]["status"], "passed");
  EXPECT_EQ(cuda["kernel"], "rolling");
  EXPECT_EQ(cuda["times_s"].size(), 3u);
  EXPECT_EQ(cuda["host_memory"], "pinned");
  EXPECT_TRUE(cpu["host_memory"].is_null());
  for (const char* phase : {"upload_s", "kernel_s", "download_s"})
    EXPECT_GT(cuda["phases"][phase].get<double>(), 0) << phase;
  for (const char* ceiling : {"read_bytes_per_s", "peak_flops_per_s", "up_bytes_per_s",
                              "down_bytes_per_s", "duplex_bytes_per_s"})
    EXPECT_GT(cuda["bound"][ceiling].get<double>(), 0) << ceiling;
  ASSERT_EQ(json["devices"].size(), 1u);
  EXPECT_EQ(json["devices"][0]["name"], cuda["device"]);
  ASSERT_EQ(json["break_even"].size(), 1u);
  EXPECT_THAT(outcome.err, HasSubstr("images"));
}

TEST_F(Program, EveryKernelMethodDtypeAndScope) {
  const Outcome outcome = run({"--backend",     "cuda",
                               "--kernel",      "vector,rolling,tiled,direct,thrust",
                               "--method",      "full,strided",
                               "--dtype",       "float64,float32",
                               "--scope",       "end-to-end,resident",
                               "--size",        "30x44",
                               "--mem",         "10k",
                               "--iterations",  "1",
                               "--burns",       "0",
                               "--num_workers", "2",
                               "--fill",        "integers",
                               "--json",        "-"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(json["records"].size(), 40u);
  int ran = 0;
  std::string digest;
  for (const auto& record : json["records"]) {
    if (record["status"] == "skipped") {
      EXPECT_THAT(record["reason"].get<std::string>(), HasSubstr("it does method"));
      continue;
    }
    ++ran;
    EXPECT_EQ(record["verification"]["status"], "passed");
    if (digest.empty()) digest = record["digest"];
    EXPECT_EQ(record["digest"], digest) << "exact data: one digest whatever computes it";
  }
  EXPECT_EQ(ran, 32);
}

TEST_F(Program, FilesInBothScopes) {
  const std::string data = (convscale::testing::test_data() / "golden" / "integers.").string();
  const Outcome outcome = run({"--backend", "cpu,cuda", "--scope", "end-to-end,resident",
                               "--images", data + "images.npy", "--filters", data + "filters.npy",
                               "--iterations", "2", "--json", "-"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto records = nlohmann::json::parse(outcome.out)["records"];
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[1]["status"], "skipped") << "a CPU has nothing else than end-to-end";
  EXPECT_EQ(records[2]["digest"], records[0]["digest"]);
  EXPECT_EQ(records[3]["digest"], records[0]["digest"]);
}

TEST_F(Program, FiltersOfAFileWithGeneratedImages) {
  const std::string filter =
      (convscale::testing::test_data() / "golden" / "filter_larger.filters.npy").string();
  const auto filters = NpyStack(filter);
  const std::string pixels = std::to_string(filters.count() * 20 * 24);
  const Outcome outcome =
      run({"--backend", "cpu,cuda", "--scope", "end-to-end,resident", "--size", "20x24", "--mem",
           pixels, "--filters", filter, "--kernel", "auto", "--iterations", "1", "--json", "-"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto records = nlohmann::json::parse(outcome.out)["records"];
  for (const int row : {0, 2, 3})
    EXPECT_EQ(records[static_cast<std::size_t>(row)]["verification"]["status"], "passed");
}

TEST_F(Program, ListsDevicesAndKernels) {
  const Outcome outcome = run({"--list"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("cuda   kernel  rolling  supported"));
  EXPECT_THAT(outcome.out, HasSubstr("cuda   device  0        supported"));
}

}  // namespace
}  // namespace convscale::cuda
