// SPDX-License-Identifier: Apache-2.0
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <locale>
#include <sstream>
#include <string>
#include <utility>

namespace convscale {
namespace {

using testing::all_figures;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::report_of;

Record record_of(double mean, double std) {
  Record r;
  r.config.shape = {.images = 33, .height = 1000, .width = 1000};
  r.config.num_workers = 4;
  r.times_s = {mean};
  r.summary = Summary{.mean = mean, .std = std, .min = mean, .median = mean, .max = mean};
  return r;
}

TEST(OriginalLines, AreParsedWhateverTheTimes) {
  for (const double mean :
       {1e-9, 3.3e-7, 1.234e-4, 0.0071234, 0.99999, 1.0, 59.999, 1e3, 123456.7, 1e9, 1e17, 1e25}) {
    for (const double share : {0.0, 1e-6, 0.01, 0.5, 3.0}) {
      const std::string text = original_lines(record_of(mean, mean * share));
      int workers = 0, images = 0, end = 0;
      char average[64], deviation[64];
      EXPECT_EQ(std::sscanf(text.c_str(),
                            "Number of workers: %d\nNumber of images: %d\n"
                            "Average time: %63[0-9.] second(s)\n"
                            "Standard deviation: %63[0-9.] second(s)\n%n",
                            &workers, &images, average, deviation, &end),
                4)
          << text;
      EXPECT_EQ(end, std::ssize(text));
      EXPECT_EQ(workers, 4);
      EXPECT_EQ(images, 33);
      // Three digits of the mean, and two of the deviation, but for what is under a nanosecond.
      EXPECT_NEAR(std::stod(average), mean, std::max(mean * 5.1e-3, 0.51e-9));
      EXPECT_NEAR(std::stod(deviation), mean * share, std::max(mean * share * 0.051, 0.51e-9));
    }
  }
  EXPECT_THAT(original_lines(record_of(0.0071234, 0.000123)),
              HasSubstr("Average time: 0.00712 second(s)\nStandard deviation: 0.00012 second(s)\n"))
      << "two digits of the deviation";
}

TEST(OriginalLines, HaveNoAverageOfWhatIsNotWholeOrNotRight) {
  for (const Status status : {Status::kInterrupted, Status::kFailed}) {
    Record r = all_figures();
    r.status = status;
    EXPECT_EQ(original_lines(r), "Number of workers: 6\nNumber of images: 250\n");
  }
  Record without_times = record_of(1, 0);
  without_times.summary.reset();
  EXPECT_EQ(original_lines(without_times), "Number of workers: 4\nNumber of images: 33\n");
}

TEST(FormatTime, HasAUnitAndFourDigitsAlsoWhereItRoundsUpToAnother) {
  const std::pair<double, const char*> cases[] = {
      {0.00712, "7.120 ms"}, {1.5, "1.500 s"},      {12.346, "12.35 s"},
      {123.46, "123.5 s"},   {1234.6, "1235 s"},    {98765.4, "98765 s"},
      {1e-3, "1.000 ms"},    {45.6e-6, "45.60 us"}, {1e-6, "1.000 us"},
      {789e-9, "789.0 ns"},  {0, "0 ns"},           {9.99996e-3, "10.00 ms"},
      {99.9996, "100.0 s"},  {0.999996, "1.000 s"}, {0.999996e-3, "1.000 ms"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(format_time(seconds), text);
}

TEST(VerdictLines, OfEachStatus) {
  Record r = record_of(0.5, 0);
  EXPECT_EQ(verdict_lines(r), "Verification: skipped\nFOM: 66.0 images/s\n");
  r.verification = {VerificationStatus::kPassed, 1333233, 0.3123, ""};
  EXPECT_EQ(verdict_lines(r),
            "Verification: passed (1333233 outputs, max error 0.31 of the bound)\n"
            "FOM: 66.0 images/s\n");
  r.verification = {VerificationStatus::kFailed, 1333233, 7, "image 3, output (1, 2): got 4"};
  EXPECT_THAT(verdict_lines(r), HasSubstr("image 3, output (1, 2): got 4"));
  EXPECT_THAT(verdict_lines(r), Not(HasSubstr("passed")));
  r.summary.reset();
  EXPECT_THAT(verdict_lines(r), Not(HasSubstr("FOM")));
}

TEST(DetailsText, NamesTheDevicesAsFarAsTheyAreKnown) {
  Record r = all_figures();
  DeviceInfo unknown;
  unknown.name = "Other";
  r.facts.devices.push_back(unknown);
  EXPECT_THAT(details_text(r), HasSubstr(" power limit 700 W\nDevice:  0 Other\n"));
  r.facts.devices[0].sm_clock_hz.reset();
  EXPECT_THAT(details_text(r), HasSubstr("150.00 GB, clock at most 1980 MHz, memory"));
}

TEST(DetailsText, ExplainsTheBoundOfARowOnTheCpu) {
  Record r = record_of(0.5, 0);
  r.bound = Bound{};
  r.bound->time_s = 0.25;
  r.bound->bytes = 500'000'000;
  r.bound->ceilings.read_bytes_per_s = 2e9;
  EXPECT_THAT(details_text(r), HasSubstr("Bound:   250.0 ms, 250.0 ms for 500.0 MB at 2.0 GB/s\n"));
  r.bound->flops = 1'000'000'000;
  r.bound->ceilings.peak_flops_per_s = 1e10;
  EXPECT_THAT(details_text(r),
              HasSubstr("Bound:   250.0 ms, the larger of 250.0 ms for 500.0 MB at 2.0 GB/s and "
                        "100.0 ms for 1 GFLOP at 10.0 GFLOP/s\n"));
}

TEST(DetailsText, DataThatStayOnTheDeviceHaveNoLinkToWaitFor) {
  Record r = all_figures();
  r.facts.transfer = {};
  for (const char* way : {" up at ", " down at ", "both ways", "scattered", "gathered"})
    EXPECT_THAT(details_text(r), Not(HasSubstr(way)));
  r.config.distribute = Distribute::kLocal;
  EXPECT_THAT(details_text(r), HasSubstr("Ranks:   4 on 3 hosts, local\n"));
}

TEST(DetailsText, ShowsOnlyWhatThereIs) {
  const std::string text = details_text(record_of(0.5, 0));
  for (const char* what : {"Device:", "Ranks:", "Bound:", "Phases:", "loading", "Note:"})
    EXPECT_THAT(text, Not(HasSubstr(what)));
  EXPECT_THAT(text, HasSubstr("Untimed: setup -, generation -, ceilings -, poison and digests -, "
                              "verification -\n"));
}

/// A locale that writes 1.234,5, for C and C++ as far as the machine has one.
class CommaLocale {
 public:
  CommaLocale() : cpp_(std::locale::global(std::locale(std::locale(), new Commas))) {
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"}) {
      if (std::setlocale(LC_ALL, name) != nullptr) break;
    }
  }
  ~CommaLocale() {
    std::locale::global(cpp_);
    std::setlocale(LC_ALL, "C");
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;

 private:
  struct Commas : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  std::locale cpp_;
};

std::string everything() {
  const Record r = all_figures();
  const Report report = report_of({r});
  return original_lines(r) + table_text(report) + verdict_lines(r) + to_json(report) +
         to_csv(report) + to_markdown(report) + format_time(1234.5) + format_time(0.5);
}

TEST(Locale, ChangesNoNumber) {
  const std::string before = everything();
  const CommaLocale locale;
  std::ostringstream stream;
  stream << 1234.5;
  ASSERT_EQ(stream.str(), "1.234,5");  // the locale is in force
  EXPECT_EQ(everything(), before);
}

}  // namespace
}  // namespace convscale
