// SPDX-License-Identifier: Apache-2.0
// The schema of the results file is what the program's own records and declarations say. After a
// change of them CONVSCALE_WRITE_SCHEMA=1 in the environment writes it anew.
#include "bench/cli/option_declarations.hpp"
#include "bench/cli/options.hpp"
#include "bench/outcome.hpp"
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = CONVSCALE_TEST_DATA "/../scripts/convscale/results.schema.json";

void add_once(Json& list, const Json& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

/// What all of `values` have in common.
Json schema_of(const std::vector<Json>& values) {
  Json types = Json::array(), schema;
  std::vector<std::pair<std::string, std::vector<Json>>> properties;
  std::vector<Json> elements;
  for (const Json& value : values) {
    add_once(types, value.is_number_integer() ? "integer" : value.type_name());
    if (value.is_array()) elements.insert(elements.end(), value.begin(), value.end());
    if (!value.is_object()) continue;
    for (const auto& [key, inner] : value.items()) {
      auto known = std::find_if(properties.begin(), properties.end(),
                                [&key = key](const auto& p) { return p.first == key; });
      if (known == properties.end()) known = properties.insert(known, {key, {}});
      known->second.push_back(inner);
    }
  }
  schema["type"] = types.size() == 1 ? types[0] : types;
  for (const auto& [key, inner] : properties) {
    schema["properties"][key] = schema_of(inner);
    schema["required"].push_back(key);
  }
  if (!elements.empty()) schema["items"] = schema_of(elements);
  return schema;
}

/// A report in which every value is there, and one in which nothing is known.
std::vector<Json> documents() {
  Record full = testing::all_figures(), alone;
  full.reason = "why";
  full.config.work_time_s = full.config.stop.min_time_s = full.config.stop.max_noise = 0.5;
  Report report = testing::report_of({full, testing::all_figures()}), empty;
  report.host = {.name = "n1",
                 .os = "Linux",
                 .cpu = "a processor",
                 .sockets = 1,
                 .cores = 1,
                 .threads = 1,
                 .smt = false,
                 .numa_nodes = 1,
                 .caches = {{"L2", 1, 1}},
                 .memory_bytes = 1,
                 .isa = {"avx2"},
                 .affinity = "0",
                 .max_clock_hz = 1e9,
                 .governor = "performance",
                 .huge_pages = "always",
                 .hypervisor = "kvm",
                 .load = 0.5};
  BreakEven unknown;
  unknown.gpu.config.backend = "cuda";
  unknown.images_reason = unknown.passes_reason = "why";
  report.break_even = {testing::a_break_even(), unknown};
  empty.records = {alone};
  empty.records[0].facts.devices = {DeviceInfo{}};
  return {Json::parse(to_json(report)), Json::parse(to_json(empty))};
}

Json schema() {
  Json all{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
           {"title", "The results file of convscale, schema_version 1"}};
  all.update(schema_of(documents()));
  // Which of them a build has depends on what it was built with.
  for (const char* library : {"cuda", "cudnn", "mpi"})
    all["properties"]["build"]["properties"][library]["type"] = {"string", "null"};
  all["properties"]["program"]["properties"]["git"]["type"] = {"string", "null"};
  Json& record = all["properties"]["records"]["items"]["properties"];
  const Config usual = parse_options({"convscale"}).configs.front();
  for (const OptionDeclaration& option : option_declarations()) {
    for (const Field& field : option.fields) {
      Json& property = record[field.name];
      property["option"] = option.name();
      property["default"] = field.value(usual);
      for (const std::string_view name : field.names) property["enum"].push_back(name);
      if (property.contains("enum") && property["type"].is_array())
        property["enum"].push_back(nullptr);
    }
  }
  return all;
}

TEST(Schema, IsThatOfTheDeclarations) {
  const std::string expected = schema().dump(1) + "\n";
  if (std::getenv("CONVSCALE_WRITE_SCHEMA") != nullptr) std::ofstream(kSchema) << expected;
  EXPECT_EQ(testing::read_text(kSchema), expected) << "CONVSCALE_WRITE_SCHEMA=1 writes it anew";
}

TEST(Schema, EveryOptionOfAConfigurationIsInTheRecord) {
  // Where to run on a device is told by the device, and whether it was verified by the verdict.
  for (const OptionDeclaration& option : option_declarations()) {
    const bool is_told_otherwise = option.name() == "--devices" || option.name() == "--no-verify";
    EXPECT_EQ(option.read != nullptr && !is_told_otherwise, !option.fields.empty())
        << option.name();
  }
}

}  // namespace
}  // namespace convscale
