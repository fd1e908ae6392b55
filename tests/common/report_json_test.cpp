// SPDX-License-Identifier: Apache-2.0
#include "common/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

/// A record with every figure known, each different from the others.
Record full_record() {
  Record r;
  r.config.kernel = "auto";
  r.config.method = Method::kStrided;
  r.config.dtype = Dtype::kFloat32;
  r.config.scope = Scope::kResident;
  r.config.shape = {.images = 10, .height = 100, .width = 200, .filter_size = 3, .stride = 2};
  r.config.fill = Fill::kIntegers;
  r.config.seed = 18446744073709551615u;
  r.config.num_workers = 3;
  r.config.iterations = 4;
  r.config.burns = 1;
  r.config.schedule = Schedule::kSplit;
  r.config.bind = Bind::kCompact;
  r.config.host_memory = HostMemory::kPageable;
  r.facts.kernel = "avx2";
  r.facts.cpus = {0, 2, 5};
  r.facts.device = "Card 0";
  r.warnings = {"first warning", "second, with a comma"};
  r.setup_s = 0.5;
  r.load_s = 0.0625;
  r.generation_s = 0.25;
  r.verification_s = 0.125;
  r.times_s = {0.01, 0.03, 0.02, 0.02};
  r.summary = summarize(r.times_s);
  r.bound = Bound{.limit = Limit::kCompute,
                  .time_s = 0.01,
                  .bytes = 123,
                  .flops = 456,
                  .ceilings = {1e9, 2e9, 3e9, 4e9, 5e9}};
  r.fraction = 0.5;
  r.phases = Phases{0.1, 0.2, 0.3};
  r.workers = WorkerTimes{0.004, 0.005};
  r.balance = 10.0 / 12;
  r.verification = {VerificationStatus::kPassed, 51510, 0.375, ""};
  r.digest = 0x0123456789abcdef;
  return r;
}

Record skipped_record() {
  Record r;
  r.status = Status::kSkipped;
  r.reason = "no \"avx512\" here, nor anything, like it | really\nnot";
  r.config.shape = {.images = 1, .height = 2, .width = 3};
  return r;
}

Report report_of(std::vector<Record> records) {
  Report report;
  report.argv = {"convscale", "--size", "1000"};
  report.started_at = "2000-01-02T03:04:05Z";
  report.host.name = "node1";
  report.records = std::move(records);
  return report;
}

Json json_of(const Report& report) { return Json::parse(to_json(report)); }
Json json_of(const Record& record) { return json_of(report_of({record}))["records"][0]; }

/// The keys that docs and design promise, in objects by their path.
TEST(ToJson, HasEveryFieldOfTheSchema) {
  const std::pair<const char*, std::vector<const char*>> fields[] = {
      {"",
       {"schema_version", "program", "started_at", "interrupted", "build", "host", "devices",
        "ranks", "hosts", "records", "break_even"}},
      {"/program", {"name", "version", "git", "argv"}},
      {"/build", {"type", "compiler", "flags", "cuda", "cudnn", "mpi"}},
      {"/host",
       {"name", "os", "cpu", "sockets", "cores", "threads", "smt", "numa_nodes", "caches",
        "memory_bytes", "isa", "affinity", "max_clock_hz", "governor", "huge_pages", "hypervisor", "load"}},
      {"/records/0",
       {"status",
        "reason",
        "warnings",
        "backend",
        "kernel",
        "method",
        "scope",
        "dtype",
        "height",
        "width",
        "images",
        "filter_size",
        "stride",
        "fill",
        "seed",
        "num_workers",
        "cpus",
        "device",
        "host_memory",
        "schedule",
        "ranks",
        "distribute",
        "iterations",
        "burns",
        "work_time",
        "interleaved",
        "setup_s",
        "load_s",
        "times_s",
        "mean_s",
        "std_s",
        "min_s",
        "median_s",
        "max_s",
        "images_per_s",
        "pixels_per_s",
        "bytes_per_s",
        "flops_per_s",
        "bound",
        "phases",
        "workers",
        "per_rank",
        "wire_bytes",
        "communication_share",
        "fastest_rank",
        "slowest_rank",
        "exchanged_bytes",
        "barrier_s",
        "verification",
        "digest"}},
      {"/records/0/bound",
       {"limit", "time_s", "fraction", "bytes", "flops", "read_bytes_per_s", "peak_flops_per_s",
        "up_bytes_per_s", "down_bytes_per_s", "duplex_bytes_per_s", "scatter_bytes_per_s",
        "gather_bytes_per_s", "network_bytes_per_s"}},
      {"/records/0/slowest_rank", {"rank", "host", "run_s"}},
      {"/records/0/phases", {"upload_s", "kernel_s", "download_s"}},
      {"/records/0/workers", {"busy_min_s", "busy_max_s", "balance"}},
      {"/records/0/verification", {"status", "outputs", "max_error_of_bound"}}};
  for (const Record& record : {full_record(), skipped_record()}) {
    const Json document = json_of(report_of({record}));
    for (const auto& [path, keys] : fields) {
      const Json& object = document.at(Json::json_pointer(path));
      for (const char* key : keys) EXPECT_TRUE(object.contains(key)) << path << "/" << key;
    }
  }
}

/// Two ranks, the second without images.
Record record_of_ranks() {
  Record r = full_record();
  r.config.ranks = 2;
  r.config.distribute = Distribute::kLocal;
  r.facts.transfer.scatter_bytes = 600;
  r.facts.transfer.gather_bytes = 400;
  r.facts.wire_bytes = 250;
  r.facts.ranks = {{.host = "n1", .num_workers = 3, .images = 10, .kernel = "avx2", .cpus = {1, 2}},
                   {.host = "n2"}};
  r.rank_figures = RankFigures{.run_s = {0.5, std::nullopt},
                               .busy_s = {0.25, std::nullopt},
                               .barrier_s = 0.001,
                               .communication_share = 0.375};
  r.bound->ceilings.scatter_bytes_per_s = 600;
  r.bound->ceilings.gather_bytes_per_s = 100;
  return r;
}

TEST(ToJson, ValuesOfRanks) {
  Report report = report_of({record_of_ranks()});
  report.hosts = {"n1", "n2"};
  report.mpi = "Open MPI 4.1.4";
  const Json document = json_of(report);
  EXPECT_EQ(document.at("ranks"), 2);
  EXPECT_EQ(document.at("hosts"), Json({"n1", "n2"}));
  EXPECT_EQ(document.at("build").at("mpi"), "Open MPI 4.1.4");
  const Json expected = Json::parse(R"({"ranks": 2, "distribute": "local",
    "per_rank": [{"rank": 0, "host": "n1", "num_workers": 3, "images": 10, "cpus": [1, 2],
                  "device": null, "kernel": "avx2", "busy_s": 0.25, "run_s": 0.5},
                 {"rank": 1, "host": "n2", "num_workers": 0, "images": 0, "cpus": null,
                  "device": null, "kernel": null, "busy_s": null, "run_s": null}],
    "fastest_rank": {"rank": 0, "host": "n1", "run_s": 0.5},
    "slowest_rank": {"rank": 0, "host": "n1", "run_s": 0.5},
    "exchanged_bytes": 1000, "wire_bytes": 250, "communication_share": 0.375,
    "barrier_s": 0.001})");
  const Json& r = document.at("records").at(0);
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(r.at(key), value) << key;
  EXPECT_DOUBLE_EQ(r.at("bound").at("network_bytes_per_s").get<double>(), 1000.0 / 5);
}

TEST(ToJson, ValuesOfARecord) {
  const Json r = json_of(full_record());
  const Json expected = Json::parse(R"({"status": "ok", "reason": null,
    "warnings": ["first warning", "second, with a comma"], "backend": "cpu", "kernel": "avx2",
    "method": "strided", "scope": "resident", "dtype": "float32", "height": 100, "width": 200,
    "images": 10, "filter_size": 3, "stride": 2, "fill": "integers", "seed": 18446744073709551615,
    "num_workers": 3, "cpus": [0, 2, 5], "device": "Card 0", "host_memory": "pageable",
    "schedule": "split", "iterations": 4, "burns": 1, "setup_s": 0.5,
    "load_s": 0.0625,
    "times_s": [0.01, 0.03, 0.02, 0.02], "min_s": 0.01, "median_s": 0.02, "max_s": 0.03,
    "images_per_s": 500.0, "pixels_per_s": 1e7,
    "bound": {"limit": "compute", "time_s": 0.01, "fraction": 0.5, "bytes": 123, "flops": 456,
              "read_bytes_per_s": 1e9, "peak_flops_per_s": 2e9, "up_bytes_per_s": 3e9,
              "down_bytes_per_s": 4e9, "duplex_bytes_per_s": 5e9,
              "scatter_bytes_per_s": null, "gather_bytes_per_s": null,
              "network_bytes_per_s": null},
    "ranks": 1, "distribute": null, "per_rank": null,
    "phases": {"upload_s": 0.1, "kernel_s": 0.2, "download_s": 0.3},
    "verification": {"status": "passed", "outputs": 51510, "max_error_of_bound": 0.375},
    "digest": "0123456789abcdef"})");
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(r.at(key), value) << key;
  EXPECT_DOUBLE_EQ(r.at("mean_s").get<double>(), 0.02);
  EXPECT_EQ(r.at("workers").at("busy_max_s"), 0.005);
  // 102 x 202 outputs in full, every second one kept: 51 x 101.
  const Shape s = full_record().config.shape;
  EXPECT_DOUBLE_EQ(r.at("bytes_per_s").get<double>(),
                   static_cast<double>(10 * 100 * 200 * 4 + 10 * 51 * 101 * 4) / 0.02);
  EXPECT_DOUBLE_EQ(r.at("flops_per_s").get<double>(),
                   static_cast<double>(flops(s, Method::kStrided)) / 0.02);
}

TEST(ToJson, NumbersKeepEveryBit) {
  Record r = full_record();
  r.times_s = {0.1 + 0.2, 1e-300, std::numeric_limits<double>::denorm_min()};
  EXPECT_EQ(json_of(r).at("times_s").get<std::vector<double>>(), r.times_s);
}

TEST(ToJson, OfTheRun) {
  Report report = report_of({full_record(), skipped_record()});
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
                          "barrier_s",      "digest"}) {
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

TEST(ToJson, RatesFollowTheMedianAndTheKernel) {
  Record r = full_record();
  r.summary->mean = 123;
  EXPECT_DOUBLE_EQ(images_per_s(r).value_or(0), 500);
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
