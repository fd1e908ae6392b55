// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "common/bound.hpp"
#include "common/break_even.hpp"
#include "common/config.hpp"
#include "common/host.hpp"
#include "common/summary.hpp"
#include "common/verify.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convscale {

enum class Status { kOk, kSkipped, kFailed, kInterrupted };
std::string_view name_of(Status status);
std::string_view name_of(VerificationStatus status);

/// Busy time of the workers: of each worker its median over the iterations, and the least and most
/// of them.
struct WorkerTimes {
  double busy_min_s = 0;
  double busy_max_s = 0;
};

/// Everything known of one configuration: a row of the table, an element of the JSON's `records`.
struct Record {
  Status status = Status::kOk;
  std::string reason;  ///< why it was skipped or failed
  std::vector<std::string> warnings;
  Config config;
  BackendFacts facts;
  std::optional<double> setup_s;  ///< placement, registration, allocation, upload of resident data
  std::optional<double> load_s;   ///< of setup_s: Backend::load of a resident scope
  std::optional<double> generation_s;    ///< making or reading the workload
  std::optional<double> verification_s;  ///< comparing with the reference
  std::vector<double> times_s;           ///< of the measured iterations
  std::optional<Summary> summary;        ///< null if there are no times
  std::optional<Bound> bound;
  std::optional<double> fraction;  ///< bound / median
  std::optional<Phases> phases;
  std::optional<WorkerTimes> workers;
  std::optional<double> balance;  ///< see image_balance; null where it does not apply
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

/// How many times as many pixels a second `record` did as `first`; with the same shape, the ratio
/// of their medians. Null where one of them failed or has no times, and between methods, which are
/// never compared.
std::optional<double> speed_against(const Record& first, const Record& record);

/// One run of the program: what the JSON holds.
struct Report {
  std::vector<std::string> argv;
  std::string started_at;  ///< UTC, ISO 8601
  bool interrupted = false;
  HostInfo host;
  std::vector<Record> records;
  std::vector<BreakEven> break_even;  ///< one for each workload that both CPU and GPU ran
};

}  // namespace convscale
