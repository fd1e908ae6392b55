// SPDX-License-Identifier: Apache-2.0
// What the JSON says of devices and of moving to them.
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using testing::a_device;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

Json json_of(std::vector<Record> records, std::vector<BreakEven> break_even = {}) {
  Report report;
  report.records = std::move(records);
  report.break_even = std::move(break_even);
  return Json::parse(to_json(report));
}

Record record_with(const std::vector<DeviceInfo>& devices) {
  Record r;
  r.facts.devices = devices;
  return r;
}

TEST(DevicesJson, HasEveryField) {
  const Json devices = json_of({record_with({a_device()})})["devices"];
  EXPECT_EQ(devices, Json::parse(R"([{"index": 1, "name": "Card", "compute_capability": "9.0",
    "pci_bus_id": "0000:3b:00.0", "memory_bytes": 150000000000, "l2_bytes": 22, "multiprocessors": 33,
    "numa_node": 0, "driver": "13.1", "runtime": "13.0", "driver_version": "580.65.06",
    "sm_clock_hz": 1.5e9, "max_sm_clock_hz": 1.98e9, "memory_clock_hz": 3.2e9, "power_limit_w": 700.0}])"));
}

TEST(DevicesJson, WhatIsUnknownIsNull) {
  const Json device = json_of({record_with({DeviceInfo{}})})["devices"][0];
  for (const auto& [key, value] : device.items())
    EXPECT_TRUE(key == "index" || value.is_null()) << key << ": " << value;
  EXPECT_EQ(device.size(), 15u);
}

TEST(DevicesJson, HasEachDeviceOnceAsItWasSeenAtWork) {
  DeviceInfo idle = a_device(), other = a_device(), twin = a_device();
  idle.sm_clock_hz.reset();
  other.index = 2;
  twin.pci_bus_id = "0000:5e:00.0";
  const Json devices = json_of({Record{}, record_with({idle, other}), record_with({a_device()}),
                                record_with({idle, twin})})["devices"];
  ASSERT_THAT(devices, SizeIs(3));
  EXPECT_EQ(devices[0]["sm_clock_hz"], 1.5e9);
  EXPECT_EQ(devices[1]["index"], 2);
  EXPECT_EQ(devices[2]["pci_bus_id"], "0000:5e:00.0");
}

TEST(DevicesJson, IsEmptyWithoutDevices) {
  EXPECT_EQ(json_of({Record{}})["devices"], Json::array());
}

TEST(BuildJson, CudaIsAVersionOrNull) {
  const Json build = json_of({})["build"];
  for (const char* key : {"cuda", "cudnn"})
    EXPECT_TRUE(build[key].is_null() || !build[key].get<std::string>().empty()) << build;
}

TEST(BreakEvenJson, HasAllFigures) {
  EXPECT_EQ(json_of({}, {testing::full_break_even()})["break_even"], Json::parse(R"([{
    "method": "strided", "dtype": "float32", "height": 10, "width": 20, "images": 16,
    "filter_size": 3, "stride": 2,
    "cpu": {"kernel": "avx512", "num_workers": 8,
            "points": [{"images": 4, "median_s": 1.5}, {"images": 8, "median_s": 2.5},
                       {"images": 16, "median_s": 4.5}],
            "fixed_s": 0.5, "per_image_s": 0.25},
    "cuda": {"kernel": "tiled", "num_workers": 2,
             "points": [{"images": 4, "median_s": 3.0}, {"images": 8, "median_s": 3.5},
                        {"images": 16, "median_s": 4.5}],
             "fixed_s": 2.5, "per_image_s": 0.125},
    "images_from": 17, "images_reason": null,
    "upload_s": 1.0, "resident_s": 2.0, "cpu_s": 3.0, "passes": 2, "passes_reason": null}])"));
}

TEST(BreakEvenJson, WhatIsNotKnownIsNull) {
  BreakEven entry;
  entry.gpu.config.backend = "cuda";
  entry.images_reason = "too few";
  entry.passes_reason = "no link";
  const Json json = json_of({}, {entry})["break_even"][0];
  for (const char* key : {"images_from", "upload_s", "resident_s", "cpu_s", "passes"})
    EXPECT_TRUE(json[key].is_null()) << key;
  for (const char* side : {"cpu", "cuda"}) {
    EXPECT_TRUE(json[side]["fixed_s"].is_null());
    EXPECT_EQ(json[side]["points"], Json::array());
  }
  EXPECT_EQ(json["images_reason"], "too few");
  EXPECT_EQ(json["passes_reason"], "no link");
}

TEST(BreakEvenJson, IsEmptyWithoutPairs) { EXPECT_EQ(json_of({})["break_even"], Json::array()); }

}  // namespace
}  // namespace convscale
