// SPDX-License-Identifier: Apache-2.0
// The only file that includes mpi.h: the C API, as MPI has no other for C++. Counts are int in MPI
// 3, so that long messages go in pieces, and blocks are counted in units.
#include "bench/ranks/comm_mpi.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>

namespace convscale {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 30;
constexpr std::int64_t kMostCount = std::numeric_limits<int>::max();

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  const std::string name(call, std::find(call, call + std::char_traits<char>::length(call), '('));
  throw CommError(
      fmt::format("{}: {}; are all ranks alive, and the network between them?", name, text));
}
// A macro, for the text of the call.
#define CONVSCALE_MPI(call) check(call, #call)

/// A type of `bytes` bytes, however many.
class UnitType {
 public:
  explicit UnitType(std::int64_t bytes) {
    // A divisor that leaves both factors an int.
    std::int64_t factor = (bytes + kMostCount - 1) / kMostCount;
    while (bytes % factor != 0) ++factor;
    MPI_Datatype part = MPI_DATATYPE_NULL;
    CONVSCALE_MPI(MPI_Type_contiguous(static_cast<int>(bytes / factor), MPI_BYTE, &part));
    const int code = MPI_Type_contiguous(static_cast<int>(factor), part, &type_);
    MPI_Type_free(&part);
    CONVSCALE_MPI(code);
    CONVSCALE_MPI(MPI_Type_commit(&type_));
  }
  ~UnitType() {
    if (type_ != MPI_DATATYPE_NULL) MPI_Type_free(&type_);
  }
  UnitType(const UnitType&) = delete;
  UnitType& operator=(const UnitType&) = delete;
  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

/// The pieces of one message.
class MpiMessage final : public Message {
 public:
  /// Calls `start(offset, count, request)` for each piece of `bytes`.
  template <class Start>
  MpiMessage(std::int64_t bytes, Start&& start) : MpiMessage() {  // whose end is due from here on
    for (std::int64_t offset = 0; offset < bytes; offset += kPiece) {
      MPI_Request& request = requests_.emplace_back(MPI_REQUEST_NULL);
      start(offset, static_cast<int>(std::min(kPiece, bytes - offset)), &request);
    }
  }
  ~MpiMessage() override {
    for (MPI_Request& request : requests_) {
      if (request == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&request);
      MPI_Request_free(&request);
    }
  }
  bool is_done() override {
    int done = 0;
    std::vector<MPI_Status> statuses(requests_.size());
    const int code =
        MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, statuses.data());
    if (code == MPI_ERR_IN_STATUS) {
      for (const MPI_Status& status : statuses) {
        if (status.MPI_ERROR != MPI_ERR_PENDING) check(status.MPI_ERROR, "MPI_Testall");
      }
    }
    check(code, "MPI_Testall");
    return done != 0;
  }

 private:
  MpiMessage() = default;
  std::vector<MPI_Request> requests_;
};

/// MPI itself, from MPI_Init to MPI_Finalize.
class MpiSession {
 public:
  MpiSession() {
    int provided = 0;
    CONVSCALE_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
    if (provided < MPI_THREAD_FUNNELED) {
      MPI_Finalize();
      throw CommError(
          "MPI_Init_thread: this library allows no threads beside its own; another one "
          "would do");
    }
  }
  ~MpiSession() { MPI_Finalize(); }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
};

class MpiComm final : public Comm {
 public:
  MpiComm() {
    CONVSCALE_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    CONVSCALE_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm_));
    CONVSCALE_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    CONVSCALE_MPI(MPI_Comm_rank(comm_, &rank_));
    CONVSCALE_MPI(MPI_Comm_size(comm_, &size_));
  }
  ~MpiComm() override { MPI_Comm_free(&comm_); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string library() const override { return mpi_library(); }
  void barrier() override { CONVSCALE_MPI(MPI_Barrier(comm_)); }
  void abort(int exit_code) override {
    MPI_Abort(comm_, exit_code);
    std::_Exit(exit_code);  // MPI_Abort does not return, but is not declared so
  }

  std::vector<std::string> all_gather(const std::string& mine) override {
    const auto ranks = static_cast<std::size_t>(size_);
    const int length = static_cast<int>(mine.size());
    std::vector<int> lengths(ranks), offsets(ranks);
    CONVSCALE_MPI(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, comm_));
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(static_cast<std::size_t>(offsets.back() + lengths.back()), '\0');
    CONVSCALE_MPI(MPI_Allgatherv(mine.data(), length, MPI_CHAR, all.data(), lengths.data(),
                                 offsets.data(), MPI_CHAR, comm_));
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < ranks; ++i) {
      texts.push_back(
          all.substr(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(lengths[i])));
    }
    return texts;
  }

  std::unique_ptr<Message> send(const std::byte* data, std::int64_t bytes, int to) override {
    return std::make_unique<MpiMessage>(
        bytes, [&](std::int64_t offset, int count, MPI_Request* request) {
          CONVSCALE_MPI(MPI_Isend(data + offset, count, MPI_BYTE, to, kTag, comm_, request));
        });
  }

  std::unique_ptr<Message> receive(std::byte* data, std::int64_t bytes, int from) override {
    return std::make_unique<MpiMessage>(
        bytes, [&](std::int64_t offset, int count, MPI_Request* request) {
          CONVSCALE_MPI(MPI_Irecv(data + offset, count, MPI_BYTE, from, kTag, comm_, request));
        });
  }

  bool scatter(const std::byte* all, const Blocks& blocks, std::byte* mine) override {
    return with_units(blocks, [&](const int* count, const int* first, MPI_Datatype unit) {
      CONVSCALE_MPI(MPI_Scatterv(all, count, first, unit, rank_ == 0 ? MPI_IN_PLACE : mine,
                                 count[rank_], unit, 0, comm_));
    });
  }

  bool gather(const std::byte* mine, const Blocks& blocks, std::byte* all) override {
    return with_units(blocks, [&](const int* count, const int* first, MPI_Datatype unit) {
      CONVSCALE_MPI(MPI_Gatherv(rank_ == 0 ? MPI_IN_PLACE : mine, count[rank_], unit, all, count,
                                first, unit, 0, comm_));
    });
  }

 private:
  static constexpr int kTag = 0;

  /// Calls `exchange(count, first, unit)` unless a number of units does not fit an int.
  template <class Exchange>
  static bool with_units(const Blocks& blocks, Exchange&& exchange) {
    const auto is_too_large = [](std::int64_t number) { return number > kMostCount; };
    if (std::ranges::any_of(blocks.first, is_too_large) ||
        std::ranges::any_of(blocks.count, is_too_large)) {
      return false;
    }
    const std::vector<int> count(blocks.count.begin(), blocks.count.end()),
        first(blocks.first.begin(), blocks.first.end());
    const UnitType unit(blocks.unit_bytes);
    exchange(count.data(), first.data(), unit.get());
    return true;
  }

  const MpiSession session_;  // ends last
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  // "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\nMPICH Release date: ...".
  std::string line(text,
                   std::find_if(text, text + length, [](char c) { return c == ',' || c == '\n'; }));
  if (line.starts_with("Open MPI v")) return "Open MPI " + line.substr(10);
  if (line.starts_with("MPICH Version:"))
    return "MPICH " + line.substr(line.find_first_not_of(" \t", 14));
  return line;
}

std::unique_ptr<Comm> make_mpi_comm() { return std::make_unique<MpiComm>(); }

}  // namespace convscale
