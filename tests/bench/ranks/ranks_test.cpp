// SPDX-License-Identifier: Apache-2.0
#include "bench/ranks/ranks.hpp"

#include "bench/measure/gather.hpp"
#include "bench/ranks/thread_comm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_as_ranks;

const auto kNeverSignalled = [] { return false; };

/// What `body` makes of three ranks, or the message and code of what it throws.
std::vector<std::string> on_ranks(const std::function<std::string(Ranks&)>& body, int size = 3) {
  return run_as_ranks<std::string>(size, [&](Comm& comm) -> std::string {
    Ranks ranks(comm, kNeverSignalled);
    try {
      return body(ranks);
    } catch (const CommError&) {
      throw;
    } catch (const Error& error) {
      return std::to_string(static_cast<int>(error.code())) + " " + error.what();
    }
  });
}

TEST(Ranks, CollectGivesAllAnswersToAll) {
  const auto all = on_ranks([](Ranks& ranks) {
    const auto answers = ranks.collect(
        [&] { return std::string(1, '\0') + ranks.name_of(2) + std::to_string(ranks.rank()); });
    return answers[0].substr(1) + "|" + answers[2].substr(1);
  });
  EXPECT_THAT(all, Each(all.front()));
  EXPECT_THAT(all.front(), AllOf(HasSubstr("rank 2 on "), ::testing::EndsWith("2")));
}

TEST(Ranks, WhatOneCannotDoNoneCan) {
  const auto all = on_ranks([](Ranks& ranks) -> std::string {
    ranks.agree([&] {
      if (ranks.rank() == 1) throw UnsupportedError("no card");
    });
    return "went on";
  });
  EXPECT_THAT(all, Each(AllOf(::testing::StartsWith("3 rank 1 on "), HasSubstr(": no card"))));
}

TEST(Ranks, WhatAllSayIsSaidOnceAndWithoutAName) {
  const auto all = on_ranks([](Ranks& ranks) -> std::string {
    ranks.agree([&] { throw UsageError("--mem 1: too small"); });
    return "went on";
  });
  EXPECT_THAT(all, Each("2 --mem 1: too small"));
}

TEST(Ranks, MemoryThatIsOutIsAnErrorOfAll) {
  const auto all = on_ranks([](Ranks& ranks) -> std::string {
    ranks.agree([&] {
      if (ranks.rank() == 2) throw std::bad_alloc();
    });
    return "went on";
  });
  EXPECT_THAT(all, Each(HasSubstr("out of memory")));
}

TEST(Ranks, OneThatIsSignalledInterruptsAllWhenTheyAgree) {
  const auto all = run_as_ranks<std::string>(3, [](Comm& comm) {
    Ranks ranks(comm, [&] { return comm.rank() == 2; });
    std::string seen = ranks.is_interrupted() ? "early " : "";
    ranks.agree([] {});
    return seen + (ranks.is_interrupted() ? "yes" : "no");
  });
  EXPECT_THAT(all, Each("yes"));
}

TEST(Ranks, RootsValuesAreExact) {
  constexpr double kThird = 1.0 / 3;
  const auto all = on_ranks([&](Ranks& ranks) {
    const std::vector mine{ranks.is_root() ? kThird : 7.0, std::numeric_limits<double>::infinity()};
    const auto values = of_root(ranks, mine);
    EXPECT_EQ(of_root(ranks, std::int64_t{ranks.rank() + 5}), 5);
    return std::string(
        values == std::vector{kThird, std::numeric_limits<double>::infinity()} ? "same" : "other");
  });
  EXPECT_THAT(all, Each("same"));
}

TEST(Ranks, OfOneHostAddUp) {
  const auto all = on_ranks([](Ranks& ranks) {
    EXPECT_EQ(ranks.local_rank(), ranks.rank());
    EXPECT_EQ(ranks.local_ranks(), 3);
    return std::to_string(ranks.sum_on_host(ranks.rank() + 1));
  });
  EXPECT_THAT(all, Each("6"));
}

TEST(Ranks, OtherOptionsAreRefusedAndPathsOfTheProgramAreNot) {
  const auto run_with = [](const std::string& program, const std::string& option) {
    return on_ranks([&](Ranks& ranks) -> std::string {
      const bool other = ranks.rank() == 1;
      ranks.require_alike({other ? program : "/bin/convscale", other ? option : "--list"});
      return "alike";
    });
  };
  EXPECT_THAT(run_with("/usr/bin/convscale", "--list"), Each("alike"));
  EXPECT_THAT(run_with("/bin/convscale", "--version"),
              Each(AllOf(::testing::StartsWith("2 rank 1 on "), HasSubstr("\"--version\""),
                         HasSubstr("\"--list\""))));
}

TEST(Ranks, OtherInputFilesAreRefused) {
  const auto all = on_ranks([](Ranks& ranks) -> std::string {
    ranks.require_same_data("a.npy of 3 items");
    ranks.require_same_data(ranks.rank() == 2 ? "a.npy of 2 items" : "a.npy of 3 items");
    return "went on";
  });
  EXPECT_THAT(all, Each(AllOf(::testing::StartsWith("2 rank 2 on "),
                              HasSubstr("reads a.npy of 2 items, and rank 0 reads a.npy of 3"))));
}

TEST(MergeRemarks, NameTheRanksUnlessAllSayIt) {
  on_ranks([](Ranks& ranks) -> std::string {
    EXPECT_THAT(merge_remarks(ranks, {{"all", "two"}, {"all", "two", "one"}, {"all"}}),
                ElementsAre("all", "2 ranks: two", ranks.name_of(1) + ": one"));
    return "";
  });
}

}  // namespace
}  // namespace convscale
