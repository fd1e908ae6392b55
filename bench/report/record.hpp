// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/bound.hpp"
#include "common/config.hpp"
#include "common/host.hpp"
#include "common/summary.hpp"
#include "common/vocabulary.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convscale {

enum class VerificationStatus { kPassed, kFailed, kSkipped };

/// Outcome of comparing all outputs with the reference.
struct Verification {
  VerificationStatus status = VerificationStatus::kSkipped;
  std::int64_t outputs = 0;       ///< compared
  double max_error_of_bound = 0;  ///< worst |got - expected| / bound; infinite where one is NaN or
                                  ///< infinite and the other not
  std::string failure;  ///< the worst output: its index, got and expected; empty if passed
};

enum class Status { kOk, kSkipped, kFailed, kInterrupted };

/// What ended a measurement: its iterations were enough; `--min-time` or `--max-noise` was reached
/// after more of them; `--timeout` came first.
enum class StoppedBy { kIterations, kPrecision, kTimeout };

template <>
inline constexpr std::array<std::string_view, 3> kNames<VerificationStatus>{"passed", "failed",
                                                                            "skipped"};
template <>
inline constexpr std::array<std::string_view, 4> kNames<Status>{"ok", "skipped", "failed",
                                                                "interrupted"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<StoppedBy>{"iterations", "precision",
                                                                   "timeout"};

/// Busy time of the workers: of each worker its median over the iterations, and the least and most
/// of them.
struct WorkerTimes {
  double busy_min_s = 0;
  double busy_max_s = 0;
};

/// What the ranks' parts in the iterations show: medians, in the order of the ranks; null where one
/// has no images. The rest stands in BackendFacts::ranks.
struct RankFigures {
  std::vector<std::optional<double>> run_s = {};  ///< see RankTimes
  std::vector<std::optional<double>> busy_s = {};
  double barrier_s = 0;
  std::size_t fastest = 0, slowest = 0;  ///< by run_s; rank 0 always has images
  /// The share of an iteration in which the busiest worker of all was not computing.
  std::optional<double> communication_share = {};
};

/// Everything known of one configuration: a row of the table, an element of the JSON's `records`.
struct Record {
  Status status = Status::kOk;
  std::string reason;  ///< why it was skipped or failed
  std::vector<std::string> warnings;
  Config config;
  BackendFacts facts;
  /// Threads, allocation, placement, registration, upload of resident data.
  std::optional<double> setup_s;
  std::optional<double> load_s;  ///< of setup_s: Backend::load of a resident scope
  /// Making or reading the workload; null where an earlier row's was taken.
  std::optional<double> generation_s;
  std::optional<double> verification_s;  ///< comparing with the reference
  std::optional<double> ceilings_s;      ///< passes of the ceilings
  std::optional<double> checks_s;        ///< poison, digests, and what runs again for phases
  std::vector<double> burn_times_s;      ///< of the iterations before the measured ones
  std::vector<double> times_s;           ///< of the measured iterations
  std::optional<StoppedBy> stopped_by;   ///< null if it failed or was interrupted
  std::optional<Summary> summary;        ///< null if there are no times
  std::optional<Bound> bound;
  std::optional<double> fraction;  ///< bound / median
  std::optional<Phases> phases;
  std::optional<WorkerTimes> workers;
  std::optional<RankFigures> rank_figures;  ///< null for a process of its own
  std::optional<double> balance;            ///< see image_balance; null where it does not apply
  Verification verification;
  std::optional<std::uint64_t> digest;  ///< of the results
};

/// The kernel that ran; the one that was asked for where none did.
const std::string& kernel_of(const Record& record);

/// Figures that follow from a record's median; null without times.
std::optional<double> images_per_s(const Record& record);
std::optional<double> pixels_per_s(const Record& record);
std::optional<double> bytes_per_s(const Record& record);
std::optional<double> flops_per_s(const Record& record);

/// Its fraction of the bound is more than the hardware can do: the times, or rather a ceiling, were
/// disturbed.
bool is_impossible(const Record& record);

/// How many times as fast, with its interval of 95 % confidence.
struct Speedup {
  double ratio = 0;
  std::optional<Interval> interval;
};

/// How many times as many pixels a second `record` did as `first`; with the same shape, the ratio
/// of their medians. Null where one of them failed, was interrupted or has no times, and between
/// methods, which are never compared.
///
/// Of two interleaved rows it is the median of the ratios of iterations that ran side by side, with
/// that median's interval. Of others the medians' intervals are combined on a logarithmic scale
/// (Zou and Donner, Construction of confidence limits about effect measures, 2008).
std::optional<Speedup> speed_against(const Record& first, const Record& record);

/// What one iteration over so many images took.
struct ImagesTime {
  std::int64_t images = 0;
  double time_s = 0;
};

/// time(images) = fixed_s + per_image_s * images.
struct TimeLine {
  double fixed_s = 0;  ///< may be negative: it is a fit
  double per_image_s = 0;
};

/// The side of one backend.
struct BreakEvenSide {
  Config config;                   ///< that of its row, with the kernel that `auto` took
  std::vector<ImagesTime> points;  ///< by images, ascending; the medians
  std::optional<TimeLine> line;
};

/// When it pays to move a workload from the CPU to the GPU. Null figures beside an empty reason
/// mean that it never does.
struct BreakEven {
  BreakEvenSide cpu;
  BreakEvenSide gpu;  ///< scope end-to-end
  std::optional<std::int64_t> images_from;
  std::string images_reason;  ///< why images_from is not known

  std::optional<double> upload_s;    ///< images and filters at the measured rate of the link
  std::optional<double> resident_s;  ///< a pass over data that lie on the GPU
  std::optional<double> cpu_s;       ///< a pass on the CPU
  std::optional<std::int64_t> passes;
  std::string passes_reason;  ///< why passes is not known
};

/// One run of the program: what the JSON holds.
struct Report {
  std::vector<std::string> argv;
  std::string started_at;  ///< UTC, ISO 8601
  bool interrupted = false;
  std::optional<double> wall_s;    ///< from the first row's begin to the last one's end
  HostInfo host;                   ///< rank 0's
  std::string mpi;                 ///< the library of this build, "Open MPI 4.1.4"; empty without
  std::vector<std::string> hosts;  ///< of all ranks, in their order; one for a process of its own
  std::vector<Record> records;
  std::optional<double> break_even_s;  ///< of wall_s: the measurements for `break_even`
  std::vector<BreakEven> break_even;   ///< one for each workload that both CPU and GPU ran
};

}  // namespace convscale
