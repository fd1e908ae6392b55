// SPDX-License-Identifier: Apache-2.0
// The program with several ranks, which are threads here; tests/mpi has them as processes.
#include "bench/faulty_backend.hpp"
#include "bench/outcome.hpp"
#include "bench/ranks/thread_comm.hpp"
#include "common/topology.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

namespace convscale {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using testing::Fault;
using testing::FaultyBackend;
using testing::Outcome;
using testing::run_as_ranks;
using testing::TemporaryFolder;

using Args = std::vector<std::string>;

/// One run of the program on `ranks` ranks; `table_of` gives each its backends.
std::vector<Outcome> run_on(int ranks, Args args,
                            const std::function<BackendTable(int rank)>& table_of = {}) {
  args.insert(args.begin(), "convscale");
  return run_as_ranks<Outcome>(ranks, [&](Comm& comm) {
    std::ostringstream out, err;
    const BackendTable table = table_of ? table_of(comm.rank()) : backends();
    int code = -1;
    try {
      code = run_program(args, table, comm, out, err);
    } catch (const testing::Aborted& aborted) {
      code = aborted.exit_code;
    }
    return Outcome{code, out.str(), err.str()};
  });
}

/// Ten images; with four workers on two ranks, 6 and 4 of them.
Args small(const std::string& distribute, Args more = {}, const std::string& workers = "4") {
  Args args{"--size", "20x30",        "--mem", "6000",         "-w",
            workers,  "--iterations", "3",     "--distribute", distribute};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Json document_of(const Outcome& outcome) { return Json::parse(outcome.out); }

/// The first record of a run on several ranks, all of which ended well.
Json record_on(int ranks, Args args) {
  args.insert(args.end(), {"--json", "-"});
  const auto outcomes = run_on(ranks, args);
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 0))) << outcomes.front().err;
  for (std::size_t rank = 1; rank < outcomes.size(); ++rank)
    EXPECT_EQ(outcomes[rank].out + outcomes[rank].err, "") << "rank " << rank;
  return document_of(outcomes.front()).at("records").at(0);
}

/// The table of rank `rank` has `fault`, the others' have none.
std::function<BackendTable(int)> fault_on(int rank, Fault fault) {
  return [=](int own) { return own == rank ? testing::table_with(fault) : backends(); };
}

class Distributed : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Ways, Distributed, ::testing::Values("scatter", "local"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Distributed, HasTheDigestOfOneProcess) {
  for (const char* method : {"full", "strided"}) {
    for (const char* dtype : {"float64", "float32"}) {
      const Args args = small(GetParam(), {"--method", method, "--dtype", dtype});
      const Json alone = record_on(1, args);
      EXPECT_TRUE(alone.at("distribute").is_null());
      for (const int ranks : {2, 3, 4, 6}) {
        const Json record = record_on(ranks, args);
        EXPECT_EQ(record.at("digest"), alone.at("digest")) << ranks << " ranks " << method;
        EXPECT_EQ(record.at("verification").at("outputs"), alone.at("verification").at("outputs"));
        EXPECT_EQ(record.at("ranks"), ranks);
        EXPECT_EQ(record.at("distribute"), GetParam());
        EXPECT_EQ(record.at("per_rank").size(), static_cast<std::size_t>(ranks));
      }
    }
  }
}

TEST_P(Distributed, SchedulesAndLargeImagesMakeNoDifference) {
  const Json alone = record_on(1, small(GetParam(), {"--fill", "integers"}));
  for (const char* schedule : {"static", "dynamic", "split"}) {
    const Json record =
        record_on(3, small(GetParam(), {"--fill", "integers", "--schedule", schedule}));
    EXPECT_EQ(record.at("digest"), alone.at("digest")) << schedule;
  }
  // Several chunks a rank.
  const Args large{"--size", "800", "--mem", "8M", "-w", "2", "--distribute", GetParam()};
  EXPECT_EQ(record_on(2, large).at("digest"), record_on(1, large).at("digest"));
}

TEST_P(Distributed, RecordsSayWhoDidWhat) {
  const Json record = record_on(3, small(GetParam(), {}, "2"));
  const Json& ranks = record.at("per_rank");
  EXPECT_EQ(ranks[0].at("num_workers"), 1);
  EXPECT_EQ(ranks[0].at("images"), 5);
  EXPECT_EQ(ranks[1].at("images"), 5);
  EXPECT_EQ(ranks[2].at("num_workers"), 0);
  EXPECT_EQ(ranks[2].at("images"), 0);
  EXPECT_TRUE(ranks[2].at("run_s").is_null());
  EXPECT_THAT(record.at("warnings").dump(),
              HasSubstr("1 of 3 ranks has nothing to do (workers: 2, images: 10)"));
  const double median_s = record.at("median_s");
  for (const std::size_t rank : {0u, 1u}) {
    EXPECT_GT(ranks[rank].at("busy_s"), 0);
    EXPECT_LE(ranks[rank].at("busy_s"), ranks[rank].at("run_s"));
  }
  EXPECT_GT(record.at("barrier_s"), 0);
  EXPECT_GE(record.at("slowest_rank").at("run_s"), record.at("fastest_rank").at("run_s"));
  EXPECT_LE(record.at("communication_share"), 1);
  EXPECT_GT(median_s, 0);
  constexpr int kBytesOfImage = 8 * (20 * 30 + 4 * 4 + 5 * 7);
  const bool scatters = GetParam() == std::string("scatter");
  EXPECT_EQ(record.at("exchanged_bytes"), scatters ? 5 * kBytesOfImage : 0);
  EXPECT_EQ(record.at("wire_bytes"), 0);  // all on one host
  EXPECT_EQ(record.at("bound").at("network_bytes_per_s").is_null(), !scatters);
}

TEST_P(Distributed, ListsAndInterleavingAreAsAlone) {
  for (const char* way : {"--quiet", "--interleave"}) {
    const auto outcomes =
        run_on(3, small(GetParam(), {"--method", "full,strided", way, "--json", "-"}, "1,4"));
    EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 0))) << outcomes.front().err;
    const Json records = document_of(outcomes.front()).at("records");
    ASSERT_EQ(records.size(), 4u);
    EXPECT_EQ(records[0].at("digest"), records[1].at("digest"));
    for (const Json& record : records) EXPECT_EQ(record.at("verification").at("status"), "passed");
  }
}

TEST_P(Distributed, WorkTimeIsSpent) {
  const Json record = record_on(2, small(GetParam(), {"--work_time", "0.002"}));
  EXPECT_GE(record.at("min_s"), 3 * 0.002);  // three images a worker at most
}

TEST_P(Distributed, AFaultOnOneRankIsTheSameErrorOnAllAndSaidOnce) {
  for (const int rank : {0, 1, 3}) {
    const auto outcomes = run_on(4, small(GetParam()), fault_on(rank, Fault::kDeviceFault));
    EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 5)));
    EXPECT_THAT(outcomes.front().err, AllOf(HasSubstr("rank " + std::to_string(rank) + " on "),
                                            HasSubstr("device lost")));
    EXPECT_EQ(std::count(outcomes.front().err.begin(), outcomes.front().err.end(), '\n'), 1);
    for (std::size_t r = 1; r < outcomes.size(); ++r) EXPECT_EQ(outcomes[r].err, "");
  }
}

TEST_P(Distributed, AMachineThatLacksADeviceIsNamed) {
  const auto outcomes = run_on(3, small(GetParam()), fault_on(2, Fault::kNoDevice));
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 3)));
  EXPECT_THAT(outcomes.front().err, AllOf(HasSubstr("rank 2 on "), HasSubstr("no device")));
}

TEST_P(Distributed, WrongResultsOfOneRankAreFoundAndCountedInTheWhole) {
  const auto outcomes = run_on(2, small(GetParam()), fault_on(1, Fault::kWrongOutput));
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 4)));
  // The fault is in image 1 of that rank's share, which begins with image 6.
  EXPECT_THAT(outcomes.front().out, HasSubstr("image 7, output (0, 3)"));
}

TEST_P(Distributed, AnUnwrittenImageIsFound) {
  const auto outcomes = run_on(2, small(GetParam(), {}, "2"), fault_on(1, Fault::kUnwrittenImage));
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 4))) << outcomes.front().err;
  EXPECT_THAT(outcomes.front().err, HasSubstr("image 9, output (0, 0): got nothing"));
  const auto unverified =
      run_on(2, small(GetParam(), {"--no-verify"}, "2"), fault_on(1, Fault::kUnwrittenImage));
  EXPECT_THAT(unverified, Each(Field(&Outcome::code, 4)));
  EXPECT_THAT(unverified.front().err, HasSubstr(" left 35 outputs unwritten"));
}

TEST_P(Distributed, SavesWhatOneProcessSaves) {
  TemporaryFolder alone, together;
  ASSERT_EQ(testing::run(small(GetParam(), {"--save", alone.path().string()})).code, 0);
  const auto outcomes = run_on(3, small(GetParam(), {"--save", together.path().string()}));
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 0))) << outcomes.front().err;
  for (const char* name : {"images.npy", "filters.npy", "results.npy"}) {
    const std::string expected = testing::read_text(alone / name);
    EXPECT_FALSE(expected.empty());
    EXPECT_TRUE(testing::read_text(together / name) == expected) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(together.path()), {}), 3);
}

TEST_P(Distributed, BadOptionsAreOneLine) {
  const auto outcomes = run_on(3, {"--distribute", GetParam(), "--mem", "3"});
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 2)));
  testing::expect_one_line_error(outcomes.front(), 2, "--mem 3: holds no image");
  EXPECT_EQ(outcomes[1].err + outcomes[2].err, "");
}

TEST(Cluster, WhatIsShippedDoesNotStayOnADevice) {
  // The CPU does have a resident scope here.
  const BackendTable table =
      testing::with_cpu([](std::unique_ptr<Backend> backend, const Config&) { return backend; });
  const auto outcomes =
      run_on(2, small("scatter", {"--scope", "resident"}), [&](int) { return table; });
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 3)));
  EXPECT_THAT(outcomes.front().err, HasSubstr("--distribute local would do"));
  testing::expect_one_line_error(run_on(2, small("scatter", {"--scope", "resident"})).front(), 3,
                                 "--scope end-to-end would do");
}

TEST(Cluster, OutputsThatCannotBeWrittenAreFoundBeforeTheRun) {
  const auto outcomes = run_on(2, small("local", {"--json", "/nowhere/at/all.json"}));
  EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 5)));
  EXPECT_THAT(outcomes.front().err, HasSubstr("cannot write /nowhere/at/all.json"));
  EXPECT_EQ(outcomes.front().out, "");
}

/// Loses the others at one of its collective calls.
class LostComm final : public testing::CommAround {
 public:
  LostComm(Comm& comm, int at_call) : CommAround(comm), at_call_(at_call) {}
  void barrier() override {
    count();
    CommAround::barrier();
  }
  std::vector<std::string> all_gather(const std::string& mine) override {
    count();
    return CommAround::all_gather(mine);
  }
  int calls() const { return calls_; }

 private:
  void count() {
    if (++calls_ == at_call_) throw CommError("MPI_Call: the network is down");
  }
  const int at_call_;
  int calls_ = 0;
};

TEST(Cluster, ARankThatLosesTheOthersAbortsThemWhereverItIs) {
  TemporaryFolder folder;
  const std::string json = (folder / "run.json").string();
  const Args args{"convscale",    "--iterations", "2",       "--size", "20",
                  "--mem",        "4000",         "--burns", "0",      "--method",
                  "full,strided", "--interleave", "--json",  json};
  int calls = 0;
  const auto run_until = [&](int call) {
    return run_as_ranks<Outcome>(2, [&](Comm& comm) {
      std::ostringstream out, err;
      LostComm lost(comm, comm.rank() == 1 ? call : -1);
      int code = -1;
      try {
        code = run_program(args, backends(), lost, out, err);
      } catch (const testing::Aborted& aborted) {
        code = aborted.exit_code;
      }
      if (comm.rank() == 1) calls = lost.calls();
      return Outcome{code, out.str(), err.str()};
    });
  };
  ASSERT_THAT(run_until(-1), Each(Field(&Outcome::code, 0)));
  std::filesystem::remove(json);
  const int last = calls - 1;  // the exit code is agreed on when the files are there
  for (int call = 3; call < last;
       call += call < 40 ? 1 : 7) {  // before, there is no error to agree on
    const auto outcomes = run_until(call);
    EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 5))) << "call " << call;
    EXPECT_THAT(outcomes[1].err, HasSubstr("rank 1: MPI_Call: the network is down")) << call;
    EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "call " << call;
  }
}

/// Says that it received messages of `bytes` bytes when it did not, but for the first ones.
class LossyComm final : public testing::CommAround {
 public:
  LossyComm(Comm& comm, std::int64_t bytes, int spared)
      : CommAround(comm), bytes_(bytes), spared_(spared) {}
  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    if (bytes == bytes_ && --spared_ < 0) {
      lost_.resize(static_cast<std::size_t>(bytes));
      data = lost_.data();
    }
    return CommAround::receive(data, bytes, from);
  }

 private:
  const std::int64_t bytes_;
  int spared_;
  std::vector<std::byte> lost_;
};

/// The buffers hold the data of the iteration before, or of a bare exchange, unless they are wiped.
TEST(Cluster, WhatDidNotArriveIsFound) {
  struct Lost {
    const char* what;
    int at_rank;
    std::int64_t bytes;
  };
  // Rank 1 has four of the images.
  for (const auto& [what, at_rank, bytes] : {Lost{"images", 1, 4 * 20 * 30 * 8},
                                             {"filters", 1, 4 * 4 * 4 * 8},
                                             {"results", 0, 4 * 5 * 7 * 8}}) {
    const auto outcomes = run_as_ranks<Outcome>(2, [&](Comm& comm) {
      LossyComm lossy(comm, comm.rank() == at_rank ? bytes : -1, /*spared=*/3);
      Args args = small("scatter", {"--json", "-"});
      args.insert(args.begin(), "convscale");
      std::ostringstream out, err;
      const int code = run_program(args, backends(), lossy, out, err);
      return Outcome{code, out.str(), err.str()};
    });
    EXPECT_THAT(outcomes, Each(Field(&Outcome::code, 4))) << what << outcomes.front().err;
  }
}

TEST_P(Distributed, WorkersOfAllRanksShareTheCores) {
  const int cores = Topology().cores();
  const Json record = record_on(3, small(GetParam(), {}, std::to_string(cores + 1)));
  EXPECT_THAT(record.at("warnings").dump(),
              HasSubstr(std::to_string(cores + 1) + " workers share " + std::to_string(cores)));
}

}  // namespace
}  // namespace convscale
