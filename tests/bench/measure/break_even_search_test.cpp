// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/break_even_search.hpp"

#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace convscale {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A machine whose times are lines: cpu 0.5 s an image; cuda end to end 3.125 s and 0.25 s an
/// image, resident 0.125 s an image. Its link carries 10 kB/s.
double model_s(const Config& c) {
  const auto images = static_cast<double>(c.shape.images);
  if (c.backend == "cpu") return 0.5 * images;
  return c.scope == Scope::kResident ? 0.125 * images : 3.125 + 0.25 * images;
}

Record measured(const Config& config, double seconds) {
  Record record;
  record.config = config;
  record.facts.kernel = config.kernel == "auto" ? "best" : config.kernel;
  record.times_s = {3 * seconds, 0.5 * seconds, seconds};  // only the median is the model's
  record.summary = summarize(record.times_s);
  record.bound = Bound{};
  if (config.backend == "cuda") record.facts.device = "Card";
  if (record.facts.device && config.scope == Scope::kEndToEnd)
    record.bound->ceilings.up_bytes_per_s = 1e4;
  return record;
}

Record row(const std::string& backend, Scope scope = Scope::kEndToEnd, std::int64_t images = 16) {
  Config config;
  config.backend = backend;
  config.scope = scope;
  config.shape = {.images = images, .height = 10, .width = 20};
  config.iterations = 7;
  config.burns = 1;
  return measured(config, model_s(config));
}

/// Measures by the model, and remembers what it was asked for.
struct Meter {
  std::vector<Config> asked;
  std::string fail_at;  ///< "cuda 4": that backend at so many images fails

  std::vector<BreakEven> find(const std::vector<Record>& records) {
    return find_break_even(records, [this](const Config& config) {
      asked.push_back(config);
      Record record = measured(config, model_s(config));
      if (config.backend + " " + std::to_string(config.shape.images) != fail_at) return record;
      record = {};
      record.config = config;
      record.status = Status::kFailed;
      record.reason = "device lost";
      return record;
    });
  }

  std::vector<std::string> asked_for() const {
    std::vector<std::string> names;
    for (const Config& c : asked) {
      names.push_back(c.backend + " " + std::string(name_of(c.scope)) + " " +
                      std::to_string(c.shape.images));
    }
    return names;
  }
};

TEST(BreakEven, FindsTheModelsFigures) {
  Meter meter;
  const auto entries = meter.find({row("cpu"), row("cuda"), row("cuda", Scope::kResident)});
  ASSERT_THAT(entries, SizeIs(1));
  const BreakEven& entry = entries[0];
  EXPECT_THAT(meter.asked_for(), ElementsAre("cpu end-to-end 4", "cuda end-to-end 4",
                                             "cpu end-to-end 8", "cuda end-to-end 8"));
  ASSERT_TRUE(entry.cpu.line && entry.gpu.line);
  EXPECT_NEAR(entry.cpu.line->fixed_s, 0, 1e-12);
  EXPECT_DOUBLE_EQ(entry.cpu.line->per_image_s, 0.5);
  EXPECT_DOUBLE_EQ(entry.gpu.line->fixed_s, 3.125);
  EXPECT_DOUBLE_EQ(entry.gpu.line->per_image_s, 0.25);
  EXPECT_EQ(entry.images_from, 13);
  EXPECT_EQ(entry.images_reason, "");
  // 16 images of 200 pixels and 16 taps, 8 bytes each, at 10 kB/s; a pass saves 8 s - 2 s.
  EXPECT_DOUBLE_EQ(entry.upload_s.value_or(0), 16 * 216 * 8 / 1e4);
  EXPECT_DOUBLE_EQ(entry.resident_s.value_or(0), 2);
  EXPECT_DOUBLE_EQ(entry.cpu_s.value_or(0), 8);
  EXPECT_EQ(entry.passes, 1);
  EXPECT_EQ(entry.passes_reason, "");
  EXPECT_EQ(break_even_text(entries),
            "The GPU pays from 13 images on (cpu 0 ns + 500.0 ms an image; cuda end-to-end 3.125 s "
            "+ 250.0 ms an image; measured at 4, 8 and 16 images)\n"
            "One upload has paid after 1 pass over the same data (upload 2.765 s; a pass 2.000 s "
            "on the GPU, 8.000 s on the CPU)\n");
}

TEST(BreakEven, MeasuresAsTheRowsWereButUnverified) {
  Meter meter;
  meter.find({row("cpu"), row("cuda")});
  ASSERT_THAT(meter.asked, SizeIs(5));
  for (const Config& config : meter.asked) {
    EXPECT_EQ(config.iterations, 7);
    EXPECT_EQ(config.burns, 1);
    EXPECT_EQ(config.kernel, "best");  // what `auto` took
    EXPECT_FALSE(config.verify);
  }
}

TEST(BreakEven, MeasuresTheScopeThatTheRowsLack) {
  Meter end_to_end_only;
  const auto first = end_to_end_only.find({row("cpu"), row("cuda")});
  EXPECT_THAT(end_to_end_only.asked_for(), ::testing::Contains("cuda resident 16"));
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_DOUBLE_EQ(first[0].resident_s.value_or(0), 2);

  Meter resident_only;
  const auto second = resident_only.find({row("cpu"), row("cuda", Scope::kResident)});
  EXPECT_THAT(resident_only.asked_for(), ::testing::Contains("cuda end-to-end 16"));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].images_from, 13);
  EXPECT_EQ(second[0].passes, 1);
}

TEST(BreakEven, TakesTheFastestRowsOfAWorkload) {
  Record slow_cpu = row("cpu"), slow_gpu = row("cuda");
  slow_cpu.summary->median = 100;
  slow_cpu.facts.kernel = slow_gpu.facts.kernel = "slow";
  slow_gpu.summary->median = 50;
  Meter meter;
  const auto entries = meter.find({slow_cpu, row("cpu"), slow_gpu, row("cuda")});
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].cpu.config.kernel, "best");
  EXPECT_EQ(entries[0].gpu.config.kernel, "best");
  EXPECT_EQ(entries[0].images_from, 13);
}

TEST(BreakEven, NeedsRowsOfTheSameWorkloadThatRan) {
  Record strided = row("cuda"), narrow = row("cuda"), smaller = row("cuda", Scope::kEndToEnd, 15);
  strided.config.method = Method::kStrided;
  narrow.config.dtype = Dtype::kFloat32;
  Record failed = row("cuda"), skipped = row("cuda");
  failed.status = Status::kFailed;
  skipped.status = Status::kSkipped;
  Meter meter;
  EXPECT_THAT(meter.find({row("cpu"), strided, narrow, smaller, failed, skipped}), IsEmpty());
  EXPECT_THAT(meter.find({row("cpu")}), IsEmpty());
  EXPECT_THAT(meter.find({row("cuda")}), IsEmpty());
  EXPECT_THAT(meter.find({}), IsEmpty());
  EXPECT_THAT(meter.asked, IsEmpty());
}

TEST(BreakEven, HasAnEntryForEachWorkload) {
  Record cpu = row("cpu"), gpu = row("cuda");
  cpu.config.method = gpu.config.method = Method::kStrided;
  Meter meter;
  const auto entries = meter.find({row("cpu"), cpu, row("cuda"), gpu});
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[1].cpu.config.method, Method::kStrided);
  EXPECT_THAT(break_even_text(entries),
              HasSubstr("strided, float64, 16 images of 10x20:\nThe GPU"));
}

TEST(BreakEven, FewImages) {
  for (const std::int64_t images : {1, 2}) {
    Meter meter;
    const auto entries =
        meter.find({row("cpu", Scope::kEndToEnd, images), row("cuda", Scope::kEndToEnd, images),
                    row("cuda", Scope::kResident, images)});
    ASSERT_THAT(entries, SizeIs(1));
    EXPECT_THAT(meter.asked, IsEmpty());
    EXPECT_THAT(entries[0].images_reason, HasSubstr("3 different numbers of images"));
    EXPECT_TRUE(entries[0].passes);
    const std::optional<std::int64_t> passes = entries[0].passes;

    // The link is measured all the same, which no resident row does.
    const auto without =
        meter.find({row("cpu", Scope::kEndToEnd, images), row("cuda", Scope::kResident, images)});
    EXPECT_THAT(meter.asked_for(), ElementsAre("cuda end-to-end " + std::to_string(images)));
    EXPECT_EQ(without[0].passes, passes);
  }
  Meter meter;
  const auto entries =
      meter.find({row("cpu", Scope::kEndToEnd, 3), row("cuda", Scope::kEndToEnd, 3)});
  ASSERT_THAT(entries, SizeIs(1));
  ASSERT_THAT(entries[0].cpu.points, SizeIs(3));
  EXPECT_EQ(entries[0].cpu.points[0].images, 1);
  EXPECT_EQ(entries[0].cpu.points[1].images, 2);
  EXPECT_EQ(entries[0].images_from, 13);
  EXPECT_THAT(break_even_text(entries), HasSubstr("from 13 images on, if the lines hold that far"));
}

TEST(BreakEven, AFailureLeavesItsReasonAndTheOtherFigure) {
  Meter meter;
  meter.fail_at = "cuda 8";
  const auto entries = meter.find({row("cpu"), row("cuda"), row("cuda", Scope::kResident)});
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_FALSE(entries[0].images_from);
  EXPECT_EQ(entries[0].images_reason, "cuda end-to-end at 8 images: device lost");
  EXPECT_FALSE(entries[0].gpu.line);
  EXPECT_EQ(entries[0].passes, 1);
  EXPECT_THAT(break_even_text(entries),
              HasSubstr("is not known: cuda end-to-end at 8 images: device lost"));

  Meter resident;
  resident.fail_at = "cuda 16";
  const auto other = resident.find({row("cpu"), row("cuda")});
  EXPECT_EQ(other[0].images_from, 13);
  EXPECT_EQ(other[0].passes_reason, "cuda resident at 16 images: device lost");
  EXPECT_FALSE(other[0].passes);
}

TEST(BreakEven, SaysWhatItDoesNotKnow) {
  // No rate of the link.
  Record gpu = row("cuda"), resident = row("cuda", Scope::kResident);
  gpu.bound->ceilings.up_bytes_per_s.reset();
  resident.bound.reset();
  const auto without_link = find_break_even({row("cpu"), gpu, resident}, [](const Config& config) {
    Record record = measured(config, model_s(config));
    record.bound.reset();
    return record;
  });
  EXPECT_THAT(without_link[0].passes_reason, HasSubstr("link"));
  EXPECT_FALSE(without_link[0].upload_s);
  EXPECT_EQ(without_link[0].images_from, 13);

  // Times that noise made fall.
  const auto noise = find_break_even({row("cpu"), row("cuda")}, [](const Config& config) {
    return measured(config, 100 - model_s(config));
  });
  EXPECT_FALSE(noise[0].images_from);
  EXPECT_EQ(noise[0].images_reason, "the times do not grow with the number of images");
}

TEST(BreakEven, NeverIsNullWithoutAReason) {
  const auto cpu_wins = [](const Config& config) {
    return measured(config, config.backend == "cpu" ? 0.001 * model_s(config) : model_s(config));
  };
  Record cpu = row("cpu");
  cpu = cpu_wins(cpu.config);
  const auto entries = find_break_even({cpu, row("cuda")}, cpu_wins);
  EXPECT_FALSE(entries[0].images_from || entries[0].passes);
  EXPECT_EQ(entries[0].images_reason + entries[0].passes_reason, "");
  EXPECT_THAT(break_even_text(entries), HasSubstr("There is no number of images from which on"));
  EXPECT_THAT(break_even_text(entries), HasSubstr("No number of passes pays for the upload"));
}

}  // namespace
}  // namespace convscale
