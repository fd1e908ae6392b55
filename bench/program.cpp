// SPDX-License-Identifier: Apache-2.0
#include "bench/program.hpp"

#include "bench/cli/options.hpp"
#include "bench/cli/process.hpp"
#include "bench/ranks/cluster_backend.hpp"
#include "bench/ranks/launcher.hpp"
#include "bench/ranks/ranks.hpp"
#include "bench/session.hpp"
#include "common/build_info.hpp"
#include "common/error.hpp"

#include <fmt/format.h>

#include <exception>
#include <new>
#include <optional>
#include <ostream>
#include <streambuf>
#include <utility>

namespace convscale {
namespace {

/// What this build was made without, a line each.
std::string lacks_text() {
  const BuildInfo build = build_info();
  std::string text;
  for (const auto& [what, why] : {std::pair{"MPI", build.no_mpi}, std::pair{"CUDA", build.no_cuda},
                                  std::pair{"cuDNN", build.no_cudnn}}) {
    if (!why.empty()) text += fmt::format("without {}: {}\n", what, why);
  }
  return text;
}

std::string version_text() {
  const BuildInfo build = build_info();
  std::string cuda = build.cuda.empty() ? "without CUDA" : fmt::format("CUDA {}", build.cuda);
  if (!build.cudnn.empty()) cuda += fmt::format(", cuDNN {}", build.cudnn);
  const std::string mpi = built_with_mpi();
  return fmt::format("convscale {}{}\n{} build, {}, {}, {}, flags {}\n{}", build.version,
                     build.git.empty() ? "" : fmt::format(" (git {})", build.git), build.type,
                     build.compiler, cuda, mpi.empty() ? "without MPI" : mpi, build.flags,
                     lacks_text());
}

std::string listing_text(const BackendTable& backends) {
  std::string text;
  const auto add = [&](const std::string& backend, const char* kind,
                       const std::vector<Listing>& listings) {
    for (const Listing& item : listings) {
      const std::string state =
          item.unsupported.empty() ? "supported" : "not supported: " + item.unsupported;
      text += fmt::format("{:<6} {:<7} {:<8} {}{}\n", backend, kind, item.name, state,
                          item.description.empty() ? "" : " (" + item.description + ")");
    }
  };
  for (const BackendEntry& entry : backends) {
    add(entry.name, "device", entry.devices());
    add(entry.name, "kernel", entry.kernels());
  }
  return text + lacks_text();
}

/// Takes all and keeps nothing: what ranks other than 0 print.
class NullBuffer final : public std::streambuf {
 protected:
  int_type overflow(int_type c) override { return traits_type::not_eof(c); }
  std::streamsize xsputn(const char*, std::streamsize count) override { return count; }
};

/// What the options made of the input files, which every rank reads for itself.
std::string data_text(const Options& options) {
  std::string text;
  for (const auto& stack : {options.images, options.filters}) {
    if (!stack) continue;
    text += fmt::format("{} of {} items of {}x{} (fingerprint {:016x}) ", stack->path(),
                        stack->count(), stack->height(), stack->width(), stack->fingerprint());
  }
  return text;
}

/// What --help, --version and --list are answered with; null if none was asked for.
std::optional<std::string> answer_of(const Options& options, const BackendTable& backends) {
  if (options.answer) return options.answer;
  if (options.version) return version_text();
  return options.list ? std::optional(listing_text(backends)) : std::nullopt;
}

/// Parsed on every rank; errors are the same on all of them.
Options agreed_options(const std::vector<std::string>& args, Ranks& ranks) {
  ranks.require_alike(args);
  Options options;
  ranks.agree([&] { options = parse_options(args); });
  if (!ranks.is_alone()) ranks.require_same_data(data_text(options));
  return options;
}

}  // namespace

int run_program(const std::vector<std::string>& args, const BackendTable& backends, Comm& comm,
                std::ostream& out, std::ostream& err) {
  NullBuffer nowhere;
  std::ostream silent(&nowhere);
  const bool is_root = comm.rank() == 0;
  const auto say = [&](std::ostream& where, const std::string& message) {
    out.flush();
    where << "convscale: " + message + "\n";  // at once: other ranks write to the same terminal
  };
  std::optional<Ranks> ranks;
  // Of several codes an interrupt's is the first; that of an error of all ranks is the same on all.
  const auto code_of = [&](ExitCode code, bool is_of_all) {
    const bool is_interrupted = is_of_all && ranks ? ranks->is_interrupted() : interrupted();
    return static_cast<int>(is_interrupted ? ExitCode::kInterrupted : code);
  };
  const auto fail = [&](ExitCode code, const std::string& message) {
    say(is_root ? err : silent, message);
    return code_of(code, true);
  };
  const auto fail_alone = [&](std::string message, ExitCode code = ExitCode::kFailure) {
    if (is_root && !remembered().empty())
      message += fmt::format("; measured, but not written: {}", remembered());
    if (comm.size() == 1) return fail(code, message);
    // The others do not know, and wait for us.
    say(err, fmt::format("rank {}: {}", comm.rank(), message));
    err.flush();
    comm.abort(code_of(code, false));
    return code_of(code, false);
  };
  try {
    ranks.emplace(comm, interrupted);
    std::ostream& own_out = is_root ? out : silent;
    const Options options = agreed_options(args, *ranks);
    if (const auto answer = answer_of(options, backends)) {
      ranks->agree([&] {
        if (!(own_out << *answer << std::flush))
          throw ResourceError("cannot write standard output: it was closed or is full");
      });
      return static_cast<int>(ExitCode::kOk);
    }
    const BackendTable spread = spread_over(*ranks, backends);
    Session session(args, options, spread, *ranks, own_out, is_root ? err : silent);
    return static_cast<int>(session.run());
  } catch (const Error& error) {
    return error.is_of_all_ranks() ? fail(error.code(), error.what())
                                   : fail_alone(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail_alone("out of memory; a smaller --mem would do");
  } catch (const std::exception& error) {
    return fail_alone(one_line(error.what()));
  }
}

int run_program(const std::vector<std::string>& args, const BackendTable& backends,
                std::ostream& out, std::ostream& err) {
  const auto comm = make_self_comm();
  return run_program(args, backends, *comm, out, err);
}

}  // namespace convscale
