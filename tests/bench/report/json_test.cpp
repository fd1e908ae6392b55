// SPDX-License-Identifier: Apache-2.0
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using testing::all_figures;
using testing::report_of;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

Record skipped_record() {
  Record r;
  r.status = Status::kSkipped;
  r.reason = "no \"avx512\" here, nor anything, like it | really\nnot";
  r.config.shape = {.images = 1, .height = 2, .width = 3};
  return r;
}

Json json_of(const Report& report) { return Json::parse(to_json(report)); }
Json json_of(const Record& record) { return json_of(report_of({record}))["records"][0]; }

TEST(ToJson, NumbersKeepEveryBit) {
  Record r = all_figures();
  r.times_s = {0.1 + 0.2, 1e-300, std::numeric_limits<double>::denorm_min()};
  EXPECT_EQ(json_of(r).at("times_s").get<std::vector<double>>(), r.times_s);
}

TEST(ToJson, OfTheRun) {
  Report report = report_of({all_figures(), skipped_record()});
  report.interrupted = true;
  report.host.caches = {{"L2", 1000, 3}};
  report.host.isa = {"avx"};
  report.host.load = 0.5;
  const Json document = json_of(report);
  EXPECT_EQ(document["schema_version"], "1");
  EXPECT_EQ(document["program"]["name"], "convscale");
  EXPECT_EQ(document["program"]["argv"], Json({"convscale", "--size", "1000"}));
  EXPECT_EQ(document["started_at"], "2000-01-02T03:04:05Z");
  EXPECT_EQ(document["interrupted"], true);
  EXPECT_EQ(document["host"]["caches"][0], Json({{"name", "L2"}, {"bytes", 1000}, {"count", 3}}));
  EXPECT_EQ(document["host"]["isa"], Json::array({"avx"}));
  EXPECT_EQ(document["host"]["load"], 0.5);
  EXPECT_THAT(document["records"], SizeIs(2));
  EXPECT_EQ(document["records"][1]["status"], "skipped");
  EXPECT_EQ(document["records"][1]["reason"], skipped_record().reason);
  EXPECT_TRUE(to_json(report).ends_with("}\n"));
}

TEST(ToJson, UnknownFiguresAreNullNeverZero) {
  const Json r = json_of(skipped_record());
  for (const char* key : {"cpus",           "device",          "host_memory", "distribute",
                          "work_time",      "setup_s",         "load_s",      "generation_s",
                          "verification_s", "mean_s",          "std_s",       "min_s",
                          "median_s",       "max_s",           "cv",          "outliers",
                          "images_per_s",   "pixels_per_s",    "bytes_per_s", "flops_per_s",
                          "per_rank",       "exchanged_bytes", "wire_bytes",  "communication_share",
                          "barrier_s",      "digest",          "path"}) {
    EXPECT_TRUE(r.at(key).is_null()) << key << ": " << r.at(key);
  }
  for (const char* object : {"bound", "phases", "workers", "fastest_rank", "slowest_rank"}) {
    for (const auto& [key, value] : r.at(object).items())
      EXPECT_TRUE(value.is_null()) << object << "." << key << ": " << value;
  }
  EXPECT_EQ(r.at("verification").at("status"), "skipped");
  EXPECT_TRUE(r.at("verification").at("outputs").is_null());
  EXPECT_TRUE(r.at("verification").at("max_error_of_bound").is_null());
  EXPECT_EQ(r.at("times_s"), Json::array());
}

TEST(ToJson, AnIntervalThatTooFewTimesHaveIsNull) {
  Record record = skipped_record();
  record.summary = summarize(std::vector{0.25, 0.5});
  const Json r = json_of(record);
  EXPECT_EQ(r.at("median_s"), 0.375);
  for (const char* key : {"median_low_s", "median_high_s", "noise"})
    EXPECT_TRUE(r.at(key).is_null()) << key << ": " << r.at(key);
}

TEST(ToJson, AnUnknownHostIsNullNeverZero) {
  Report report = report_of({});
  report.host = {};
  const Json host = json_of(report)["host"];
  for (const char* key :
       {"name", "os", "cpu", "sockets", "cores", "threads", "numa_nodes", "memory_bytes",
        "affinity", "max_clock_hz", "governor", "huge_pages", "hypervisor", "load"}) {
    EXPECT_TRUE(host.at(key).is_null()) << key << ": " << host.at(key);
  }
}

TEST(ToJson, RatesAreOfWhatIsKnown) {
  Record r = all_figures();
  r.facts.direct = false;
  EXPECT_EQ(flops_per_s(r), std::nullopt);
  EXPECT_TRUE(bytes_per_s(r).has_value());
  r.summary.reset();
  EXPECT_EQ(images_per_s(r), std::nullopt);
  EXPECT_EQ(pixels_per_s(r), std::nullopt);
  EXPECT_EQ(bytes_per_s(r), std::nullopt);
}

TEST(ToJson, ForeignBytesDoNotBreakIt) {
  Report report = report_of({});
  report.argv = {"convscale", "--json", "caf\xe9.json"};
  EXPECT_NO_THROW(json_of(report));
}

}  // namespace
}  // namespace convscale
