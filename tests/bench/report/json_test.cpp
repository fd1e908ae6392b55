// SPDX-License-Identifier: Apache-2.0
// JSON beside that of all figures (figures_text_test.cpp).
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <vector>

namespace convscale {
namespace {

using testing::a_device;
using testing::all_figures;
using testing::report_of;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

Record record_with(const std::vector<DeviceInfo>& devices) {
  Record r;
  r.facts.devices = devices;
  return r;
}

/// Never zero, and no text without letters.
TEST(ToJson, WhatIsUnknownIsNull) {
  Report report;
  report.records = {record_with({DeviceInfo{}}), Record{}};
  report.records[1].summary = summarize(std::vector{0.25, 0.5});
  report.break_even = {BreakEven{}};
  report.break_even[0].gpu.config.backend = "cuda";
  std::string known;
  const Json document = Json::parse(to_json(report));
  for (const char* part : {"/host", "/devices/0", "/break_even/0", "/records/0",
                           "/records/1/median_low_s", "/records/1/noise"}) {
    const Json flat = document.at(Json::json_pointer(part)).flatten();
    for (const auto& [path, value] : flat.items()) {
      if (!value.is_null()) known += path + " ";
    }
  }
  EXPECT_EQ(known,
            "/smt /index /method /dtype /height /width /images /filter_size /stride /cpu/kernel "
            "/cpu/num_workers /cuda/kernel /cuda/num_workers /status /backend /kernel /method "
            "/scope /dtype /height /width /images /filter_size /stride /fill /seed /num_workers "
            "/schedule /bind /ranks /iterations /burns /interleaved /verification/status ")
      << "what was asked for, and that nobody verified it";
  EXPECT_EQ(document["hosts"], Json());
  EXPECT_EQ(document["records"][0]["times_s"], Json::array());
}

TEST(ToJson, HasEachDeviceOnceAsItWasSeenAtWork) {
  DeviceInfo idle = a_device(), other = a_device(), twin = a_device();
  idle.sm_clock_hz.reset();
  other.index = 2;
  twin.pci_bus_id = "0000:5e:00.0";
  Report report;
  report.records = {Record{}, record_with({idle, other}), record_with({a_device()}),
                    record_with({idle, twin})};
  const Json devices = Json::parse(to_json(report))["devices"];
  ASSERT_THAT(devices, SizeIs(3));
  EXPECT_EQ(devices[0]["sm_clock_hz"], 1.5e9);
  EXPECT_EQ(devices[1]["index"], 2);
  EXPECT_EQ(devices[2]["pci_bus_id"], "0000:5e:00.0");
}

TEST(ToJson, NumbersKeepEveryBitAndForeignBytesDoNotBreakIt) {
  Report report = report_of({all_figures()});
  auto& times_s = report.records[0].times_s;
  times_s = {0.1 + 0.2, 1e-300, std::numeric_limits<double>::denorm_min()};
  report.argv = {"convscale", "--json", "caf\xe9.json"};
  const Json document = Json::parse(to_json(report));
  EXPECT_EQ(document["records"][0]["times_s"].get<std::vector<double>>(), times_s);
}

}  // namespace
}  // namespace convscale
