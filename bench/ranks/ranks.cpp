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
#include <set>
#include <tuple>

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

/// How a step ended on one rank: with its answer, or the message of an error.
struct Ending {
  ExitCode code = ExitCode::kOk;
  std::string text;
  bool operator==(const Ending&) const = default;
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

Ending attempt(const std::function<std::string()>& step) {
  try {
    return {ExitCode::kOk, step()};
  } catch (const CommError&) {
    throw;  // there is nobody to agree with
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::kFailure, "out of memory; a smaller --mem would do"};
  } catch (const std::exception& error) {
    return {ExitCode::kFailure, error.what()};
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

std::vector<std::string> Ranks::collect(const std::function<std::string()>& step) {
  if (is_alone()) return {step()};
  const auto [own_code, own_text] = attempt(step);
  std::string packed;  // a string of MessagePack has any bytes
  Json::to_msgpack(Json::array({signalled_(), own_code, own_text}), packed);
  std::vector<std::string> answers;
  std::vector<Ending> endings;
  for (const std::string& bytes : comm_.all_gather(packed)) {
    const auto [signalled, code, text] =
        Json::from_msgpack(bytes).get<std::tuple<bool, ExitCode, std::string>>();
    interrupted_ = interrupted_ || signalled;
    answers.push_back(text);
    endings.push_back({code, text});
  }
  const auto first = std::ranges::find_if(
      endings, [](const Ending& ending) { return ending.code != ExitCode::kOk; });
  if (first == endings.end()) return answers;
  const bool alike = std::ranges::count(endings, *first) == size();
  raise(first->code,
        (alike ? "" : name_of(static_cast<int>(first - endings.begin())) + ": ") + first->text);
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
  for (int other = 1; other < size(); ++other) {
    require_same(versions, other, "{} is {}, and rank 0 is {}; install the same on all hosts");
    require_same(given, other,
                 R"({} has the options "{}", and rank 0 has "{}"; give all ranks the same)");
  }
}

void Ranks::require_same_data(const std::string& data) {
  const auto all = collect([&] { return data; });
  for (int other = 1; other < size(); ++other)
    require_same(all, other, "{} reads {}, and rank 0 reads {}; give all ranks the same");
}

void Ranks::require_same(const std::vector<std::string>& of_ranks, int other,
                         const char* message) const {
  const std::string &its = of_ranks[static_cast<std::size_t>(other)], &wanted = of_ranks.front();
  if (its == wanted) return;
  throw_of_all(UsageError(fmt::format(fmt::runtime(message), name_of(other), its, wanted)));
}

std::vector<std::string> merge_remarks(const Ranks& ranks,
                                       const std::vector<std::vector<std::string>>& of_ranks) {
  std::vector<std::string> merged;
  std::set<std::string> seen;
  for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
    for (const std::string& remark : of_ranks[rank]) {
      if (!seen.insert(remark).second) continue;
      const auto says_it = [&](const auto& remarks) {
        return std::ranges::find(remarks, remark) != remarks.end();
      };
      const auto count = static_cast<std::size_t>(std::ranges::count_if(of_ranks, says_it));
      const std::string who =
          count == 1 ? ranks.name_of(static_cast<int>(rank)) : fmt::format("{} ranks", count);
      merged.push_back((count == of_ranks.size() ? "" : who + ": ") + remark);
    }
  }
  return merged;
}

}  // namespace convscale
