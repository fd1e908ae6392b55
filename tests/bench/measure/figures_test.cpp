// SPDX-License-Identifier: Apache-2.0
// Known samples on their way through a measurement to what the reports say of them.
#include "bench/backends.hpp"
#include "bench/measure/clocked.hpp"
#include "bench/report/all_figures.hpp"
#include "bench/report/report.hpp"
#include "json_alike.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace convscale {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::all_figures;
using testing::ClockedBackend;
using testing::ClockedComm;
using testing::report_of;
using testing::Steps;
using Json = nlohmann::ordered_json;

constexpr int kBurns = 2;

/// Distances from the median of ten iterations, and of twelve passes of the ceilings. Their mean,
/// first, last, least and largest are others.
constexpr std::array<double, 12> kAbout{3, -2, 9, -4, 1, 6, -3, -1, 2, -2, 5, -6};
constexpr double kMost = 9;

/// Has the samples whose figures `all_figures` holds.
class ScriptedBackend final : public ClockedBackend {
 public:
  ScriptedBackend(std::unique_ptr<Backend> backend, const Config& config, const Steps& steps,
                  ClockedComm& comm)
      : ClockedBackend(std::move(backend), config, steps, comm) {
    facts_ = all_figures().facts;
  }
  Ceilings measure_ceilings() override {
    ClockedBackend::measure_ceilings();
    const double about = kAbout[static_cast<std::size_t>(pass_++)];
    Ceilings rates = all_figures().bound->ceilings;
    for (const auto rate : kCeilings) rates.*rate = *(rates.*rate) * (1 + about / 100);
    rates.peak_flops_per_s = 1e8 * (20 - kMost + about);  // of which the best counts
    return rates;
  }
  Trace inspect(bool with_times) override {
    Trace trace = ClockedBackend::inspect(with_times);
    if (measured() < 0) return trace;
    constexpr std::array<double, 10> kBusiest{18, 12, 7, 10, 12, 7, 12, 11, 15, 11};
    trace.phases = Phases{around(2.25), around(5.75), around(1.75)};
    trace.busy_s = {around(3),    around(3.25),
                    around(4.25), around(2.75),
                    around(4.5),  kBusiest[static_cast<std::size_t>(measured())] / 1e6};
    trace.rank_times =
        RankTimes{.run_s = {around(17), around(14.5), around(18.5), std::nullopt},
                  .busy_s = {around(6.25), around(9.25), around(10.25), std::nullopt},
                  .barrier_s = around(1.25)};
    return trace;
  }

 private:
  int measured() const { return iteration() - kBurns; }
  /// A sample of those with this median, in microseconds.
  double around(double median_us) const {
    return (median_us + kAbout[static_cast<std::size_t>(measured())] / 8) / 1e6;
  }

  int pass_ = 0;
};

/// A measurement of the configuration of `all_figures`, in its times.
Record measured() {
  const auto alone = make_self_comm();
  ClockedComm comm(*alone, {});
  enum { kGenerating, kMeasuring, kVerifying, kVerified } stage = kGenerating;
  const Steps steps{.create = milliseconds(3),
                    .prepare = milliseconds(5),
                    .load = milliseconds(11),
                    .ceilings = microseconds(700),
                    .poison = microseconds(130),
                    .start = microseconds(3),
                    .inspect = microseconds(170),
                    .finish = milliseconds(900),
                    .compute = [&](const Config&, int iteration) {
                      std::vector<double> times_s = all_figures().burn_times_s;
                      for (const double time_s : all_figures().times_s) times_s.push_back(time_s);
                      stage = kVerifying;  // the next one that looks
                      const double time_s = times_s[static_cast<std::size_t>(iteration)];
                      return std::chrono::nanoseconds(std::llround(time_s * 1e9)) - microseconds(3);
                    }};
  BackendEntry entry = backends().front();
  entry.name = "cuda";
  entry.create = testing::make_clocked<ScriptedBackend>(steps, comm);
  return testing::measured({all_figures().config}, /*interleave=*/false, {entry}, comm,
                           [&] {
                             if (stage == kGenerating) {
                               comm.pass(milliseconds(53));
                               stage = kMeasuring;
                             } else if (stage == kVerifying) {
                               comm.pass(milliseconds(71));
                               stage = kVerified;
                             }
                           })
      .front();
}

TEST(AllFigures, OfAMeasurementAreThoseOfItsSamples) {
  const Record got = measured();
  ASSERT_EQ(got.verification.status, VerificationStatus::kPassed) << got.reason;
  Record expected = all_figures();
  // These are the real ones of the results.
  expected.verification.max_error_of_bound = got.verification.max_error_of_bound;
  expected.digest = got.digest;
  expected.checks_s = 0.0036 + 0.00017;  // in scope resident what is verified has a digest, too
  testing::expect_alike(Json::parse(to_json(report_of({got}))),
                        Json::parse(to_json(report_of({expected}))), "document");
  EXPECT_EQ(original_lines(got, true), original_lines(expected, true));
  EXPECT_EQ(table_text(report_of({got})), table_text(report_of({expected})));
  EXPECT_EQ(verdict_lines(got), verdict_lines(expected));
}

}  // namespace
}  // namespace convscale
