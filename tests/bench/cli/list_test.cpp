// SPDX-License-Identifier: Apache-2.0
// The whole program with lists: several rows in one run.
#include "bench/faulty_backend.hpp"
#include "bench/measure/model_backend.hpp"
#include "bench/npy_file.hpp"
#include "bench/outcome.hpp"
#include "support.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Fault;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::quick;
using testing::run;
using ::testing::SizeIs;
using testing::TemporaryFolder;
using testing::with_model;
using Json = nlohmann::json;

Json json_of(const Outcome& outcome) { return Json::parse(outcome.out); }

/// Of each record the values of `keys`, joined with blanks.
std::vector<std::string> rows_of(const Json& document, const std::vector<std::string>& keys) {
  std::vector<std::string> rows;
  for (const Json& record : document["records"]) {
    std::string row;
    for (const std::string& key : keys) {
      const Json& value = record[key];
      row +=
          (row.empty() ? "" : " ") + (value.is_string() ? value.get<std::string>() : value.dump());
    }
    rows.push_back(row);
  }
  return rows;
}

std::vector<std::string> lines_of(const std::string& text, const std::string& start) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(start)) lines.push_back(line);
  }
  return lines;
}

TEST(List, IsAProductWithTheLastOptionFastest) {
  const Outcome outcome =
      run({"--mem", "1200,2400", "--size", "20,20x30", "-w", "2,1", "--dtype", "float32,float64",
           "--method", "strided,full", "--iterations", "1", "--burns", "0", "--json", "-"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto rows =
      rows_of(json_of(outcome), {"method", "dtype", "num_workers", "width", "images", "status"});
  ASSERT_THAT(rows, SizeIs(32));
  EXPECT_EQ(rows[0], "strided float32 2 20 3 ok");
  EXPECT_EQ(rows[1], "strided float32 2 20 6 ok");
  EXPECT_EQ(rows[2], "strided float32 2 30 2 ok");
  EXPECT_EQ(rows[4], "strided float32 1 20 3 ok");
  EXPECT_EQ(rows[8], "strided float64 2 20 3 ok");
  EXPECT_EQ(rows[16], "full float32 2 20 3 ok");
  EXPECT_EQ(rows[31], "full float64 1 30 4 ok");
}

TEST(List, QuietLeavesTwoLinesARow) {
  const Outcome outcome = run(quick({"--quiet", "--kernel", "scalar,eigen"}));
  ASSERT_EQ(outcome.code, 0);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 4) << outcome.out;
  const Outcome skipping =
      run(quick({"--quiet", "--backend", "cpu,cuda"}), testing::table_without_cuda());
  EXPECT_EQ(skipping.code, 0);
  EXPECT_EQ(std::count(skipping.out.begin(), skipping.out.end(), '\n'), 2) << skipping.out;
  EXPECT_THAT(skipping.err, HasSubstr("no card here; --backend cpu runs here (row 2)"));
}

TEST(List, RowsThatCannotRunAreSkippedWithTheirReason) {
  const Outcome outcome = run(quick({"--scope", "resident,end-to-end", "--json", "-"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json document = json_of(outcome);
  EXPECT_THAT(rows_of(document, {"scope", "status"}),
              ElementsAre("resident skipped", "end-to-end ok"));
  EXPECT_THAT(document["records"][0]["reason"].get<std::string>(),
              HasSubstr("the same as end-to-end"));
  EXPECT_TRUE(document["records"][0]["host_memory"].is_null());
  EXPECT_THAT(lines_of(outcome.err, "row 1 skipped: --scope resident:"), SizeIs(1));
  // What ran first is what the others are compared with.
  const auto second = lines_of(outcome.err, "  2  ");
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_TRUE(second[0].ends_with(" 1.00")) << second[0];
}

TEST(List, IsExit3OnlyIfNoRowCouldRun) {
  const Outcome none =
      run(quick({"--scope", "resident", "--kernel", "scalar,eigen", "--json", "-"}));
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(rows_of(json_of(none), {"status"}), ElementsAre("skipped", "skipped"));
  const Outcome silent = run(quick({"--scope", "resident", "--kernel", "scalar,eigen"}));
  testing::expect_one_line_error(silent, 3, "(rows 1, 2)");
}

TEST(List, AFailedRowDoesNotStopTheOthers) {
  const BackendTable wrong = with_model(testing::table_with(Fault::kWrongOutput));
  const Outcome outcome = run(quick({"--backend", "cpu,cuda", "--json", "-"}), wrong);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(rows_of(json_of(outcome), {"backend", "status"}),
              ElementsAre("cpu failed", "cuda ok"));
  EXPECT_THAT(outcome.err, HasSubstr("convscale: row 1: verification failed: image 1"));
  EXPECT_THAT(outcome.err, HasSubstr("row 1 failed: verification failed"));
  // A wrong row is nothing to compare with.
  EXPECT_TRUE(lines_of(outcome.err, "  1  ")[0].ends_with(" -"));
  EXPECT_TRUE(lines_of(outcome.err, "  2  ")[0].ends_with(" 1.00"));

  const BackendTable lost = with_model(testing::table_with(Fault::kDeviceFault));
  const Outcome fault = run(quick({"--backend", "cpu,cuda", "--json", "-"}), lost);
  EXPECT_EQ(fault.code, 5);
  EXPECT_THAT(rows_of(json_of(fault), {"status"}), ElementsAre("failed", "ok"));

  // A skipped row hides no failure.
  const Outcome both = run(quick({"--backend", "cuda,cpu", "--scope", "resident,end-to-end"}),
                           testing::table_with(Fault::kDeviceFault));
  EXPECT_EQ(both.code, 5);
}

TEST(List, DataThatOnlyOneTypeCannotHoldLoseNoRow) {
  const TemporaryFolder folder;
  testing::write_npy<double>(folder / "taps.npy", {2, 2}, {1, 2, 1e300, 4});
  const Outcome outcome = run(quick({"--filters", folder / "taps.npy", "--dtype", "float64,float32",
                                     "--no-verify", "--json", "-"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(rows_of(json_of(outcome), {"dtype", "status"}),
              ElementsAre("float64 ok", "float32 failed"));
  EXPECT_THAT(outcome.err, HasSubstr("convscale: row 2: "));
}

TEST(List, AFileThatIsChangedMeanwhileLosesNoRowBefore) {
  for (const bool shrinks : {true, false}) {
    const TemporaryFolder folder;
    testing::write_npy(folder / "images.npy", {1, 20, 30}, std::vector<double>(600, 1));
    BackendTable table = backends();
    table.front().create = [&, create = table.front().create](const Config& config,
                                                              const Assignment& assignment) {
      if (config.dtype == Dtype::kFloat32) {
        if (shrinks) {
          std::filesystem::resize_file(folder / "images.npy", 2000);
        } else {
          std::filesystem::last_write_time(folder / "images.npy", {});
        }
      }
      return create(config, assignment);
    };
    const Outcome outcome = run({"--images", folder / "images.npy", "--dtype", "float64,float32",
                                 "-w", "1", "--json", folder / "r.json"},
                                table);
    EXPECT_EQ(outcome.code, 5) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("row 2: "), HasSubstr("images.npy: "),
                                   HasSubstr("it was changed since the run began")));
    EXPECT_THAT(rows_of(Json::parse(testing::read_text(folder / "r.json")), {"status"}),
                ElementsAre("ok", "failed"));
  }
}

TEST(List, AWarningStandsOnceWithItsRows) {
  const Outcome outcome = run(quick({"--kernel", "scalar,eigen", "--method", "full,strided"}));
  EXPECT_THAT(lines_of(outcome.err, "convscale: warning: the working set"),
              ElementsAre(HasSubstr("(rows 1-4)")));
}

TEST(Devices, StandInTheDocumentOnceAndInTheText) {
  const std::vector<std::string> args = quick({"--backend", "cuda", "--devices", "0,1"});
  const Outcome text = run(args, with_model(backends()));
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out,
              HasSubstr("Device:  0 Model 1, compute capability 9.0, 150.00 GB, clock 1500 "
                        "MHz of at most 2000 MHz, power limit 700 W\n"));
  EXPECT_THAT(text.out, HasSubstr("Phases:  upload 250.0 ms, kernel 500.0 ms, download 125.0 ms"));
  EXPECT_THAT(text.out, HasSubstr("1.000 us for 1.0 kB up at 1.0 GB/s"));
  EXPECT_THAT(text.out, Not(HasSubstr("balanced to")));

  const Outcome list =
      run(quick({"--backend", "cpu,cuda", "--scope", "end-to-end,resident", "--json", "-"}),
          with_model(backends()));
  ASSERT_EQ(list.code, 0) << list.err;
  const Json document = json_of(list);
  ASSERT_THAT(document["devices"], SizeIs(1));
  EXPECT_EQ(document["devices"][0]["name"], "Model 1");
  EXPECT_THAT(rows_of(document, {"status", "host_memory"}),
              ElementsAre("ok null", "skipped null", "ok pinned", "ok pinned"));
  EXPECT_TRUE(document["records"][2]["load_s"].is_null());
  EXPECT_TRUE(document["records"][3]["load_s"].is_number());
  EXPECT_TRUE(document["records"][3]["workers"]["balance"].is_null());
}

TEST(BreakEvenSearch, IsMeasuredWhereBothBackendsRan) {
  const Outcome outcome =
      run(quick({"--backend", "cpu,cuda", "--method", "full,strided", "--json", "-"}),
          with_model(backends()));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json document = json_of(outcome);
  EXPECT_THAT(document["records"], SizeIs(4));  // what was measured besides is no row
  ASSERT_THAT(document["break_even"], SizeIs(2));
  const Json& entry = document["break_even"][0];
  EXPECT_EQ(entry["method"], "full");
  EXPECT_EQ(entry["images"], 5);
  for (const char* side : {"cpu", "cuda"}) {
    SCOPED_TRACE(side);
    ASSERT_THAT(entry[side]["points"], SizeIs(3));
    EXPECT_EQ(entry[side]["points"][0]["images"], 1);
    EXPECT_EQ(entry[side]["points"][1]["images"], 2);
    EXPECT_EQ(entry[side]["points"][2]["images"], 5);
    EXPECT_TRUE(entry[side]["fixed_s"].is_number());
    EXPECT_TRUE(entry[side]["per_image_s"].is_number());
  }
  EXPECT_EQ(entry["cpu"]["points"][2]["median_s"], document["records"][0]["median_s"]);
  EXPECT_EQ(entry["cuda"]["points"][2]["median_s"], document["records"][2]["median_s"]);
  EXPECT_EQ(entry["cuda"]["kernel"], "tiled");
  // 5 images of 600 pixels and 16 taps, over the link that the model claims.
  EXPECT_DOUBLE_EQ(entry["upload_s"].get<double>(), 5 * 616 * 8 / 1e9);
  EXPECT_TRUE(entry["resident_s"].is_number());
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("full, float64, 5 images of 20x30:\n"),
                                 HasSubstr("strided, float64, 5 images of 20x30:\n")));
}

TEST(BreakEvenSearch, AFailureLosesNoRow) {
  // The model cannot be made for fewer images than the row's.
  const Outcome outcome = run(quick({"--backend", "cpu,cuda", "--json", "-"}),
                              with_model(backends(), /*least_images=*/3));
  EXPECT_EQ(outcome.code, 5);
  const Json document = json_of(outcome);
  EXPECT_THAT(rows_of(document, {"backend", "status"}), ElementsAre("cpu ok", "cuda ok"));
  const Json& entry = document["break_even"][0];
  EXPECT_EQ(entry["images_reason"], "cuda end-to-end at 1 image: the model's device is lost");
  EXPECT_TRUE(entry["images_from"].is_null());
  EXPECT_TRUE(entry["resident_s"].is_number());
  EXPECT_THAT(outcome.err, HasSubstr("convscale: break-even: the model's device is lost"));
  EXPECT_THAT(outcome.err, HasSubstr("From how many images on the GPU pays is not known"));
}

}  // namespace
}  // namespace convscale
