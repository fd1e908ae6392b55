// SPDX-License-Identifier: Apache-2.0
#include "bench/program.hpp"

#include "bench/options.hpp"
#include "bench/plan.hpp"
#include "bench/run.hpp"
#include "common/build_info.hpp"
#include "common/error.hpp"

#include <fmt/format.h>

#include <exception>
#include <new>
#include <ostream>

namespace convscale {
namespace {

std::string version_text() {
  const BuildInfo build = build_info();
  std::string cuda = build.cuda.empty() ? "without CUDA" : fmt::format("CUDA {}", build.cuda);
  if (!build.cudnn.empty()) cuda += fmt::format(", cuDNN {}", build.cudnn);
  return fmt::format("convscale {}{}\n{} build, {}, {}, flags {}\n", build.version,
                     build.git.empty() ? "" : fmt::format(" (git {})", build.git), build.type,
                     build.compiler, cuda, build.flags);
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
  return text;
}

}  // namespace

int run_program(const std::vector<std::string>& args, const BackendTable& backends,
                std::ostream& out, std::ostream& err) {
  const auto fail = [&](ExitCode code, const std::string& message) {
    out.flush();
    err << "convscale: " << message << "\n";
    return static_cast<int>(code);
  };
  try {
    const Options options = parse_options(args);
    if (options.answer || options.version || options.list) {
      out << (options.answer    ? *options.answer
              : options.version ? version_text()
                                : listing_text(backends))
          << std::flush;
      if (!out) throw ResourceError("cannot write standard output: it was closed or is full");
      return static_cast<int>(ExitCode::kOk);
    }
    const std::vector<Row> rows = plan_rows(options.configs, backends);
    return static_cast<int>(run_rows(args, options, rows, backends, out, err));
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kFailure, "out of memory; a smaller --mem would do");
  } catch (const std::exception& error) {
    return fail(ExitCode::kFailure, error.what());
  }
}

}  // namespace convscale
