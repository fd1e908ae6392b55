// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/ranks.hpp"

#include "bench/measure/gather.hpp"
#include "common/build_info.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <new>
#include <optional>
#include <span>

namespace convscale {
namespace {

using Json = nlohmann::json;

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// Tells machines of the same name apart, as containers on them may have.
std::string machine() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  return host_name() + " " + boot;
}

/// The processors that this process may use.
cpu_set_t affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  return set;
}

/// A host and processors of it, in any notation that is the same in all ranks.
std::string place() {
  const cpu_set_t set = affinity();
  return machine() + " " + std::string(reinterpret_cast<const char*>(&set), sizeof set);
}

/// Any bytes, and NaN and infinities as they are.
std::string packed(const Json& value) {
  std::string bytes;
  Json::to_msgpack(value, bytes);
  return bytes;
}

Json binary(const std::string& text) {
  return Json::binary(std::vector<std::uint8_t>(text.begin(), text.end()));
}

std::string text_of(const Json& value) {
  const auto& bytes = value.get_binary();
  return {bytes.begin(), bytes.end()};
}

struct Failure {
  ExitCode code;
  std::string message;
  bool operator==(const Failure&) const = default;
};

template <class E>
[[noreturn]] void throw_of_all(E error) {
  error.mark_of_all_ranks();
  throw error;
}

[[noreturn]] void raise(ExitCode code, const std::string& message) {
  switch (code) {
    case ExitCode::kUsage:
      throw_of_all(UsageError(message));
    case ExitCode::kUnsupported:
      throw_of_all(UnsupportedError(message));
    default:
      throw_of_all(ResourceError(message));
  }
}

/// How `step` ended on this rank: its answer, or why there is none.
std::optional<Failure> attempt(const std::function<std::string()>& step, std::string& answer) {
  try {
    answer = step();
    return std::nullopt;
  } catch (const CommError&) {
    throw;  // there is nobody to agree with
  } catch (const Error& error) {
    return Failure{error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return Failure{ExitCode::kFailure, "out of memory; a smaller --mem would do"};
  } catch (const std::exception& error) {
    return Failure{ExitCode::kFailure, error.what()};
  }
}

}  // namespace

Ranks::Ranks(Comm& comm, std::function<bool()> signalled)
    : comm_(comm),
      signalled_(std::move(signalled)),
      hosts_(comm.all_gather(host_name())),
      machines_(comm.all_gather(machine())),
      places_(comm.all_gather(place())) {
  const cpu_set_t set = affinity();
  processors_ = std::max(1, CPU_COUNT(&set));
  for (int other = 0; other < size(); ++other) {
    if (other == rank() || !are_on_one_host(other, rank())) continue;
    ++local_ranks_;
    if (other < rank()) ++local_rank_;
  }
}

std::string Ranks::name_of(int rank) const {
  return fmt::format("rank {} on {}", rank, host_of(rank));
}

std::vector<std::string> Ranks::collect(const std::function<std::string()>& step) {
  if (is_alone()) return {step()};
  std::string answer;
  const auto failure = attempt(step, answer);
  const auto all =
      comm_.all_gather(packed({signalled_(), failure ? static_cast<int>(failure->code) : 0,
                               binary(failure ? failure->message : answer)}));
  std::vector<std::string> answers;
  std::vector<std::optional<Failure>> failures;
  for (const std::string& bytes : all) {
    const Json value = Json::from_msgpack(bytes);
    interrupted_ = interrupted_ || value[0].get<bool>();
    answers.push_back(text_of(value[2]));
    failures.emplace_back();
    if (const int code = value[1].get<int>(); code != 0)
      failures.back() = Failure{static_cast<ExitCode>(code), answers.back()};
  }
  const auto first =
      std::find_if(failures.begin(), failures.end(), [](const auto& f) { return f.has_value(); });
  if (first == failures.end()) return answers;
  const bool alike = std::all_of(failures.begin(), failures.end(),
                                 [&](const auto& other) { return other == *first; });
  raise((*first)->code,
        alike ? (*first)->message
              : name_of(static_cast<int>(first - failures.begin())) + ": " + (*first)->message);
}

std::int64_t Ranks::sum_on_host(std::int64_t mine) {
  const auto all = gather(*this, [&] { return mine; });
  std::int64_t sum = 0;
  for (int other = 0; other < size(); ++other) {
    if (are_on_one_host(other, rank())) sum += all[static_cast<std::size_t>(other)];
  }
  return sum;
}

void Ranks::require_alike(const std::vector<std::string>& args) {
  if (is_alone()) return;
  const BuildInfo build = build_info();
  const std::string version = fmt::format(
      "convscale {} (git {}, {})", build.version, build.git.empty() ? "unknown" : build.git,
      build.cuda.empty() ? "without CUDA" : fmt::format("CUDA {}", build.cuda));
  const std::string options =
      fmt::format("{}", fmt::join(args.begin() + 1, args.end(), " "));  // paths may differ
  // Not packed like other messages: another version may pack them in another way.
  const auto versions = comm_.all_gather(version), given = comm_.all_gather(options);
  for (std::size_t other = 1; other < versions.size(); ++other) {
    const std::string name = name_of(static_cast<int>(other));
    if (versions[other] != versions[0]) {
      throw_of_all(
          UsageError(fmt::format("{} is {}, and rank 0 is {}; install the same on all hosts", name,
                                 versions[other], versions[0])));
    }
    if (given[other] != given[0]) {
      throw_of_all(UsageError(
          fmt::format(R"({} has the options "{}", and rank 0 has "{}"; give all ranks the same)",
                      name, given[other], given[0])));
    }
  }
}

void Ranks::require_same_data(const std::string& data) {
  const auto all = collect([&] { return data; });
  for (std::size_t other = 1; other < all.size(); ++other) {
    if (all[other] == all[0]) continue;
    throw_of_all(UsageError(fmt::format("{} reads {}, and rank 0 reads {}; give all ranks the same",
                                        name_of(static_cast<int>(other)), all[other], all[0])));
  }
}

std::vector<std::string> merge_remarks(const Ranks& ranks,
                                       const std::vector<std::vector<std::string>>& of_ranks) {
  std::vector<std::string> merged, seen;
  for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
    for (const std::string& remark : of_ranks[rank]) {
      if (std::find(seen.begin(), seen.end(), remark) != seen.end()) continue;
      std::vector<int> who;
      for (std::size_t other = 0; other < of_ranks.size(); ++other) {
        if (std::find(of_ranks[other].begin(), of_ranks[other].end(), remark) !=
            of_ranks[other].end()) {
          who.push_back(static_cast<int>(other));
        }
      }
      seen.push_back(remark);
      const bool all = who.size() == of_ranks.size();
      const std::string name =
          who.size() == 1 ? ranks.name_of(who.front()) : fmt::format("{} ranks", who.size());
      merged.push_back(all ? remark : fmt::format("{}: {}", name, remark));
    }
  }
  return merged;
}

}  // namespace convscale
