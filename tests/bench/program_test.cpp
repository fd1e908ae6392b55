// SPDX-License-Identifier: Apache-2.0
// The whole program, in this process: what it prints, writes and returns.
#include "bench/program.hpp"

#include "bench/backends.hpp"
#include "bench/cli/option_declarations.hpp"
#include "bench/faulty_backend.hpp"
#include "bench/npy_file.hpp"
#include "bench/outcome.hpp"
#include "support.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>

namespace convscale {
namespace {

using testing::expect_one_line_error;
using testing::Fault;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::quick;
using testing::read_text;
using testing::record_of;
using testing::run;
using ::testing::StartsWith;
using testing::TemporaryFolder;
using Json = nlohmann::json;

TEST(Program, BeginsWithTheOriginalsLinesAndEndsWithTheFigureOfMerit) {
  const Outcome outcome = run(quick());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::MatchesRegex(
                               "Number of workers: 2\nNumber of images: 5\n"
                               "Average time: [0-9.]+ second\\(s\\)\n"
                               "Standard deviation: [0-9.]+ second\\(s\\)\n(.|\n)* of bound(.|\n)*"
                               "\nFOM: [0-9.]+ images/s\n"));
  // 5 images, ceil(23 / 5) x ceil(33 / 5) outputs
  EXPECT_THAT(outcome.out, HasSubstr("Verification: passed (175 outputs, max error 0."));
  const Outcome quiet = run(quick({"--quiet", "--no-verify"}));
  EXPECT_EQ(quiet.code, 0);
  EXPECT_EQ(std::count(quiet.out.begin(), quiet.out.end(), '\n'), 6) << quiet.out;
  EXPECT_THAT(quiet.out, HasSubstr("Verification: skipped"));
}

TEST(Program, JsonOnStandardOutputIsAloneThere) {
  const Outcome outcome = run(quick({"--json", "-"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json document = Json::parse(outcome.out);
  EXPECT_EQ(document["interrupted"], false);
  const Json& record = document["records"][0];
  EXPECT_EQ(record["status"], "ok");
  EXPECT_EQ(record["times_s"].size(), 3u);
  EXPECT_EQ(record["height"], 20);
  EXPECT_EQ(record["width"], 30);
  EXPECT_EQ(record["images"], 5);
  EXPECT_EQ(record["bound"]["flops"], 2 * 16 * 20 * 30 * 5);
  EXPECT_EQ(record["verification"]["status"], "passed");
  EXPECT_TRUE(record["device"].is_null());
  EXPECT_THAT(outcome.err, HasSubstr("Number of workers: 2"));
}

TEST(Program, FormatsGoToFilesAndAgree) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run(quick({"--json", folder / "r.json", "--csv", folder / "r.csv", "--md", folder / "r.md"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json record = record_of(read_text(folder / "r.json"));
  std::istringstream csv(read_text(folder / "r.csv"));
  std::string header, line;
  std::getline(csv, header);
  std::getline(csv, line);
  EXPECT_THAT(header, StartsWith("status,reason,warnings,backend,kernel"));
  EXPECT_THAT(line, HasSubstr("," + record["digest"].get<std::string>()));
  EXPECT_THAT(read_text(folder / "r.md"),
              HasSubstr("| " + record["digest"].get<std::string>() + " |"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 3);
}

TEST(Program, SavedArraysAreWhatWasMeasured) {
  const TemporaryFolder folder;
  const std::string saved = folder / "a/b";
  ASSERT_EQ(run(quick({"--save", saved})).code, 0);
  const NpyStack images(folder / "a/b/images.npy"), filters(folder / "a/b/filters.npy"),
      results(folder / "a/b/results.npy");
  EXPECT_EQ(images.count(), 5);
  EXPECT_EQ(images.width(), 30);
  EXPECT_EQ(filters.height(), 4);
  EXPECT_EQ(results.height(), 5);
  EXPECT_EQ(results.width(), 7);

  // The same data read back give the same results.
  const auto digest = [](const Outcome& outcome) {
    return record_of(outcome.out)["digest"].get<std::string>();
  };
  const Outcome again = run({"--images", folder / "a/b/images.npy", "--filters",
                             folder / "a/b/filters.npy", "-w", "2", "--json", "-"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(record_of(again.out)["fill"], "file");
  EXPECT_EQ(digest(again), digest(run(quick({"--json", "-"}))));
}

TEST(Program, ListAndVersionAndHelp) {
  const Outcome list = run({"--list"}, testing::table_without_cuda());
  EXPECT_EQ(list.code, 0);
  for (const char* name : {"scalar", "eigen", "cpu", "cuda"})
    EXPECT_THAT(list.out, HasSubstr(name));
  EXPECT_THAT(list.out, HasSubstr("not supported: no card here"));
  const Outcome version = run({"--version"});
  EXPECT_THAT(version.out, StartsWith("convscale 0."));
  EXPECT_THAT(version.out, ::testing::AnyOf(HasSubstr(", without CUDA,"), HasSubstr(", CUDA 1")));
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("--num_workers"));
  EXPECT_THAT(help.out, HasSubstr("Example"));
}

struct BadCase {
  std::vector<std::string> args;
  std::string part;  // of the message
};

TEST(Program, BadValuesAreExit2AndSayWhatWouldWork) {
  std::string hundred = "1";
  for (int i = 2; i <= 100; ++i) hundred += fmt::format(",{}", i);
  const BadCase cases[] = {
      {{"--size", "10000", "--mem", "1000"}, "--mem 100000000 would hold one"},
      {{"--num_workers", "0"}, "--num_workers 0: expected a whole number from 1"},
      {{"--num_workers", "-3"}, "--num_workers -3: expected a whole number from 1"},
      {{"-w", "1e99"}, "--num_workers 1e99: expected"},
      {{"--num-workers", "99999999999999999999"}, "--num_workers 99999999999999999999: expected"},
      {{"--iterations", "0"}, "--iterations 0: expected"},
      {{"--burns", "x"}, "--burns x: expected"},
      {{"--size", "0x5"}, "--size 0x5: expected"},
      {{"--size", "5x"}, "--size 5x: expected"},
      {{"--size", "1,5x6x7"}, "--size 5x6x7: expected"},
      {{"--size", ""}, "--size"},
      {{"--size", "20000000"}, "--size 20000000: expected an image of at most 2^48 pixels"},
      {{"--mem", "1.5"}, "--mem 1.5: expected"},
      {{"--mem", "0"}, "--mem 0: expected"},
      {{"--mem", "32Qi"}, "--mem 32Qi: expected"},
      {{"--mem", "9999999Ti"}, "--mem 9999999Ti: expected"},
      {{"--filter-size", "0"}, "--filter-size 0: expected a whole number from 1 to 31"},
      {{"--filter-size", "32"}, "--filter-size 32"},
      {{"--stride", "0"}, "--stride 0: expected"},
      {{"--kernel", "sse9"}, "no such kernel"},
      {{"--backend", "tpu"}, "expected one of cpu, cuda"},
      {{"--fill", "file"}, "--images FILE.npy reads a file"},
      {{"--seed", "-1"}, "--seed -1: expected"},
      {{"--num_workers", "1,0"}, "--num_workers 0: expected a whole number from 1"},
      {{"--num_workers", "1,,2"}, "--num_workers 1,,2: expected a value between the commas"},
      {{"--size", "10,0"}, "--size 0: expected"},
      {{"--size", "10,100", "--mem", "1000,100000"}, "--mem 1000: holds no image of 100x100"},
      {{"--method", "full,fft"}, "--method fft: expected one of full, strided"},
      {{"--backend", "cpu,tpu"}, "expected one of cpu, cuda"},
      {{"--kernel", "scalar,sse9"}, "--kernel sse9: no such kernel of backend cpu; expected auto"},
      {{"--save", "x", "-w", "1,2"},
       "--save x: keeps the results of one row, and the lists make 2"},
      {{"--devices", "0"}, "--devices 0: backend cpu has none to choose from"},
      {{"--backend", "cuda", "--devices", "x"}, "--devices x: expected all, or numbers of devices"},
      {{"--backend", "cuda", "--devices", "0,0"}, "--devices 0,0: expected all, or numbers"},
      {{"--backend", "cuda", "--devices", "-1"}, "--devices -1: expected all, or numbers"},
      {{"--backend", "cuda", "--devices", "0,all"}, "--devices 0,all: expected all, or numbers"},
      {{"--backend", "cuda", "--devices", ""}, "--devices '': expected"},
      {{"--json", "-", "--csv", "-"}, "both write -"},
      {{"--json", "same", "--csv", "./same"}, "--json and --csv both write"},
      {{"--json", ""}, "--json '': expected a value"},
      {{"--json", "--no-progress"}, "--json --no-progress: expected a value; a file of"},
      {{"--json", "-w4"}, "--json -w4: expected a value; a file of"},
      {{"--json", "--no-verfiy"}, "--json --no-verfiy: expected a value"},
      {{"--json", "--csv=x.csv"}, "--json --csv=x.csv: expected a value"},
      {{"--size", "1000,"}, "--size 1000,: expected a value between the commas"},
      {{"--min-time", "-1"}, "--min-time -1: expected seconds from 0"},
      {{"--min-time", "nan"}, "--min-time nan: expected seconds from 0"},
      {{"--timeout", "soon"}, "--timeout soon: expected seconds from 0"},
      {{"--max-noise", "0"}, "--max-noise 0: expected per cent over 0"},
      {{"--max-noise", "%"}, "--max-noise %: expected per cent over 0"},
      {{"--max-noise", "101%"}, "--max-noise 101%: expected per cent over 0 and up to 100"},
      {{"--work_time", "1s"}, "--work_time 1s: expected seconds from 0"},
      {{"--work_time", "1", "--schedule", "split"}, "--work_time beside --schedule split"},
      {{"--num_workers", hundred, "--size", hundred}, "the lists make 10000 rows; --yes runs"},
      {{"--num_workers", hundred, "--size", hundred, "--mem", hundred, "--kernel", hundred,
        "--yes"},
       "the lists make more than 100000 rows; run them in parts"},
      {{"--num_worker", "2"}, "--num_worker: no such option; did you mean --num_workers?"},
      {{"--frobnicate"}, "--frobnicate: no such option; convscale --help"},
      {{"--json"}, "--json"},
      {{"extra"}, "extra"},
      {{"--dragon"}, "scripts/baseline.py"},
      {{"--images", "nowhere.npy"}, "nowhere.npy: cannot be opened"},
  };
  for (const BadCase& bad : cases) {
    SCOPED_TRACE(::testing::PrintToString(bad.args));
    const Outcome outcome = run(bad.args);
    expect_one_line_error(outcome, 2, bad.part);
  }
}

TEST(Program, OtherNamesThanAnOptionsAreRefused) {
  for (const OptionDeclaration& option : option_declarations()) {
    if (option.fields.empty() || option.fields[0].names.empty()) continue;
    expect_one_line_error(run({option.name(), "fft"}), 2,
                          fmt::format("{} fft: expected one of {}\n", option.name(),
                                      fmt::join(option.fields[0].names, ", ")));
  }
}

TEST(Program, FilesDecideTheSizes) {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    testing::write_npy(folder / name, shape,
                       std::vector<double>(static_cast<std::size_t>(count), 0.5));
    return (folder / name).string();
  };
  const std::string images = write("images.npy", {3, 8, 9}), two = write("two.npy", {2, 4, 4}),
                    one = write("one.npy", {2, 2}), wide = write("wide.npy", {3, 2, 3}),
                    large = write("large.npy", {32, 32}), four = write("four.npy", {1, 1, 4, 4});
  expect_one_line_error(run({"--images", images, "--size", "8"}), 2, "--size beside --images");
  expect_one_line_error(run({"--images", images, "--mem", "8"}), 2, "--mem beside --images");
  expect_one_line_error(run({"--images", images, "--filters", one, "--filter-size", "2"}), 2,
                        "--filter-size beside --filters");
  expect_one_line_error(run({"--images", images, "--filters", two}), 2, "2 filters for 3 images");
  expect_one_line_error(run({"--images", images, "--filters", wide}), 2, "square");
  expect_one_line_error(run({"--images", images, "--filters", large}), 2, "31x31");
  expect_one_line_error(run({"--images", four}), 2, "4-D");

  const Outcome good = run({"--images", images, "--filters", one, "--json", "-", "--stride", "1"});
  ASSERT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(record_of(good.out)["filter_size"], 2);
  EXPECT_EQ(record_of(good.out)["images"], 3);
  EXPECT_EQ(record_of(good.out)["verification"]["outputs"], 3 * 9 * 10);
}

TEST(Program, WhatThisMachineLacksIsExit3) {
  expect_one_line_error(run(quick({"--backend", "cuda"}), testing::table_without_cuda()), 3,
                        "no card");
  expect_one_line_error(run(quick({"--scope", "resident"})), 3, "end-to-end");
  expect_one_line_error(run(quick(), testing::table_with(Fault::kNoDevice)), 3, "no device");
  const Outcome outcome =
      run(quick({"--backend", "cuda", "--json", "-"}), testing::table_without_cuda());
  EXPECT_EQ(record_of(outcome.out)["status"], "skipped");
  EXPECT_THAT(record_of(outcome.out)["reason"].get<std::string>(), HasSubstr("no card"));
  EXPECT_TRUE(record_of(outcome.out)["median_s"].is_null());
}

/// Verified are the results of a run that is not timed, where there is one.
TEST(Program, WhatIsVerifiedIsWhatWasTimed) {
  const auto args = quick({"--scope", "resident"});
  EXPECT_EQ(run(args, testing::table_with(Fault::kNone)).code, 0);
  const Outcome other = run(args, testing::table_with(Fault::kOtherAgain));
  EXPECT_EQ(other.code, 4);
  EXPECT_THAT(other.err, HasSubstr("what is verified has digest"));
}

TEST(Program, WrongResultsAreExit4) {
  for (const Fault fault : {Fault::kWrongOutput, Fault::kUnwrittenImage, Fault::kDrift}) {
    const Outcome outcome = run(quick({"--json", "-"}), testing::table_with(fault));
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("convscale: verification failed: "));
    EXPECT_EQ(record_of(outcome.out)["status"], "failed");
  }
  const Outcome wrong = run(quick({"--json", "-"}), testing::table_with(Fault::kWrongOutput));
  EXPECT_THAT(wrong.err, HasSubstr("image 1, output (0, 3): got "));
  EXPECT_THAT(wrong.err, HasSubstr(", expected "));
  EXPECT_EQ(record_of(wrong.out)["verification"]["status"], "failed");
  EXPECT_TRUE(record_of(wrong.out)["stopped_by"].is_null());
  const Outcome unwritten = run(quick(), testing::table_with(Fault::kUnwrittenImage));
  EXPECT_THAT(unwritten.err, HasSubstr("image 4, output (0, 0): got nothing (never written)"));
  const Outcome drift = run(quick({"--burns", "0"}), testing::table_with(Fault::kDrift));
  EXPECT_THAT(drift.err, HasSubstr("digest"));
  EXPECT_THAT(drift.out, HasSubstr("Verification: FAILED (iteration"));
  EXPECT_THAT(drift.out, ::testing::Not(HasSubstr("FOM")));
  // An output that cannot be written besides does not hide it.
  std::ofstream full("/dev/full");
  std::ostringstream err;
  EXPECT_EQ(run_program({"convscale", "--size", "20", "--mem", "4000", "--burns", "0"},
                        testing::table_with(Fault::kDrift), full, err),
            4);
  EXPECT_THAT(err.str(), HasSubstr("cannot write standard output"));
  // Even if nobody compares with the reference.
  EXPECT_EQ(run(quick({"--no-verify"}), testing::table_with(Fault::kDrift)).code, 4);
  EXPECT_EQ(run(quick({"--no-verify"}), testing::table_with(Fault::kUnwrittenImage)).code, 4);
}

/// The reference reads the buffers that the backend had: what it makes of its inputs would verify.
TEST(Program, InputsThatTheBackendChangedAreExit4) {
  const TemporaryFolder folder;
  ASSERT_EQ(run(quick({"--save", folder.path()})).code, 0);
  const std::vector<std::string> generated{},
      from_file{"--images", folder / "images.npy", "--filters", folder / "filters.npy"};
  for (const auto& more : {generated, from_file}) {
    const auto args = more.empty() ? quick() : more;
    const Outcome pixel = run(args, testing::table_with(Fault::kChangedPixel));
    EXPECT_EQ(pixel.code, 4);
    EXPECT_THAT(pixel.err, HasSubstr("verification failed: image 4, pixel (19, 28) was 0."));
    EXPECT_THAT(pixel.err, HasSubstr("the backend changed its inputs\n"));
    EXPECT_THAT(pixel.out, ::testing::Not(HasSubstr("FOM")));
    const Outcome tap = run(args, testing::table_with(Fault::kChangedTap));
    EXPECT_EQ(tap.code, 4);
    EXPECT_THAT(tap.err, HasSubstr("verification failed: image 4, filter tap (3, 3) was "));
  }
}

TEST(Program, WhatCannotFinishIsExit5) {
  const Outcome fault = run(quick({"--json", "-"}), testing::table_with(Fault::kDeviceFault));
  EXPECT_EQ(fault.code, 5);
  EXPECT_THAT(fault.err, HasSubstr("device lost"));
  EXPECT_EQ(record_of(fault.out)["status"], "failed");
  EXPECT_TRUE(record_of(fault.out)["digest"].is_null());

  expect_one_line_error(run({"--mem", "100T"}), 5, "a smaller --mem would do");
}

TEST(Program, UnwritableOutputIsFoundBeforeTheRun) {
  const TemporaryFolder folder;
  for (const char* option : {"--json", "--csv", "--md"}) {
    // The device would fail if it were reached.
    expect_one_line_error(
        run(quick({option, folder / "missing/r"}), testing::table_with(Fault::kDeviceFault)), 5,
        "cannot write " + (folder / "missing/r").string());
    expect_one_line_error(run(quick({option, folder.path()})), 5, "Is a directory");
  }
  std::ofstream(folder / "file") << "x";
  expect_one_line_error(
      run(quick({"--save", folder / "file/x"}), testing::table_with(Fault::kDeviceFault)), 5,
      "--save");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Program, FailedRunKeepsOldSavedArrays) {
  const TemporaryFolder folder;
  ASSERT_EQ(run(quick({"--save", folder.path()})).code, 0);
  const std::string before = read_text(folder / "results.npy");
  EXPECT_EQ(
      run(quick({"--save", folder.path(), "--seed", "9"}), testing::table_with(Fault::kDeviceFault))
          .code,
      5);
  EXPECT_EQ(read_text(folder / "results.npy"), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 3);
}

TEST(Program, FractionAboveTheBoundIsFlagged) {
  const Outcome outcome =
      run(quick({"--method", "strided", "--json", "-"}), testing::table_with(Fault::kNone));
  ASSERT_EQ(outcome.code, 0);
  const Outcome flagged = run(quick({"--method", "strided", "--json", "-"}),
                              testing::table_with(Fault::kFasterThanLight));
  EXPECT_EQ(flagged.code, 0);
  EXPECT_THAT(flagged.err, HasSubstr("more than the hardware can do"));
  EXPECT_THAT(record_of(flagged.out)["warnings"].dump(),
              HasSubstr("more than the hardware can do"));
}

}  // namespace
}  // namespace convscale
