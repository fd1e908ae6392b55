// SPDX-License-Identifier: Apache-2.0
#include "common/kernel_table.hpp"

#include "common/error.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convscale {
namespace {

using TestKernel = BasicKernel<BasicPlan, Request>;

const Request kRequest({1, 10, 10, 4, 5}, Method::kFull, Dtype::kFloat64);

/// Fastest first: this machine lacks `lost`, `picky` refuses `full`, and the others can.
const std::vector<TestKernel> kTable{
    {.name = "lost", .description = "a", .missing = [] { return "there is no such unit"; }},
    {.name = "picky",
     .description = "b",
     .refuses =
         [](const Request& request) {
           return request.method == Method::kFull ? "it does method strided only" : "";
         }},
    {.name = "able", .description = "c", .missing = [] { return ""; }, .uses = [] { return "x"; }},
    {.name = "plain", .description = "d"}};

/// The kernel that is found, or the exit code and the message.
std::string found(std::string_view name, const Request& request = kRequest) {
  try {
    return find_kernel("test", std::span<const TestKernel>(kTable), name, request).name;
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
}

TEST(FindKernel, AutoTakesTheFirstThatCan) {
  EXPECT_EQ(found("auto"), "able");
  Request strided = kRequest;
  strided.method = Method::kStrided;
  EXPECT_EQ(found("auto", strided), "picky");
  EXPECT_EQ(found("plain"), "plain");
}

TEST(FindKernel, ErrorsSayWhyAndWhatCan) {
  EXPECT_EQ(found("lost"), "3 --kernel lost: there is no such unit; these can: auto, able, plain");
  EXPECT_EQ(found("picky"),
            "3 --kernel picky: it does method strided only; these can: auto, able, plain");
  EXPECT_EQ(found("none"),
            "2 --kernel none: no such kernel of backend test; expected auto, lost, picky, able, "
            "plain");
}

TEST(FindKernel, NoneMakesNoOutputs) {
  const Request nothing({1, 10, 3, 4, 5, Mode::kValid}, Method::kStrided, Dtype::kFloat64);
  EXPECT_EQ(found("plain", nothing),
            "3 --kernel plain: mode valid keeps nothing of an image that is smaller than the "
            "filter; these can: auto");
}

TEST(RequestOfAConfig, SaysWhatTheScheduleGives) {
  Config config;
  config.shape = {.images = 3, .height = 9, .width = 8, .filter_size = 7, .stride = 2};
  config.method = Method::kStrided;
  config.dtype = Dtype::kFloat32;
  const Request request(config);
  EXPECT_EQ(request.shape, config.shape);
  EXPECT_EQ(request.method, Method::kStrided);
  EXPECT_EQ(request.dtype, Dtype::kFloat32);
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    config.schedule = schedule;
    EXPECT_EQ(Request(config).whole_images, schedule != Schedule::kSplit);
  }
}

/// To ask a kernel may load a library.
TEST(FindKernel, AsksNoFurtherThanItMustTo) {
  std::vector<Choice> choices{{"a", [] { return ""; }},
                              {"b", []() -> std::string { throw ResourceError("asked"); }}};
  EXPECT_EQ(choose("test", "auto", choices), 0u);
  EXPECT_EQ(choose("test", "a", choices), 0u);
  EXPECT_THROW(choose("test", "c", choices), UsageError);
}

TEST(ListKernels, SaysWhatIsUsedAndWhatIsMissing) {
  const auto text = [](const std::string& no_device) {
    std::string lines;
    for (const Listing& listing : list_kernels(std::span<const TestKernel>(kTable), no_device))
      lines += listing.name + "/" + listing.description + "/" + listing.unsupported + " ";
    return lines;
  };
  EXPECT_EQ(text(""), "lost/a/there is no such unit picky/b/ able/c: x/ plain/d/ ");
  EXPECT_EQ(text("no card"),
            "lost/a/there is no such unit picky/b/no card able/c: x/no card plain/d/no card ");
}

}  // namespace
}  // namespace convscale
