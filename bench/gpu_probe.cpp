// SPDX-License-Identifier: Apache-2.0
// gpu_probe: what kernels, copies and launches of one GPU are made of, in half a minute.
#include "bench/data/output_file.hpp"
#include "bench/report/report.hpp"
#include "common/error.hpp"
#include "cuda/device.hpp"
#include "cuda/probe.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

namespace convscale {
namespace {

using Json = nlohmann::ordered_json;

struct ProbeOptions {
  std::string json;
  double seconds = 30;
  int device = 0;
};

/// Why `text` is no number of at least `least`; empty if it is one.
std::string expected(const std::string& text, double least, const char* what) {
  double value = 0;
  const bool is_number = CLI::detail::lexical_cast(text, value);
  return is_number && value >= least ? "" : fmt::format("{}: expected {}", text, what);
}

std::string rate_text(const cuda::ProbeFigure& figure) {
  if (figure.unit == "byte") return fmt::format("{:.1f} GB/s", figure.per_second() * 1e-9);
  if (figure.unit == "FLOP") return fmt::format("{:.2f} TFLOP/s", figure.per_second() * 1e-12);
  return "";
}

Json value_of(const cuda::ProbeFigure& figure) {
  const bool is_bytes = figure.unit == "byte";
  return {{"name", figure.name},
          {"variant", figure.variant},
          {"amount", figure.amount},
          {"unit", figure.unit},
          {"seconds", figure.seconds},
          {"bytes_per_s", is_bytes ? Json(figure.per_second()) : Json(nullptr)},
          {"flops_per_s", figure.unit == "FLOP" ? Json(figure.per_second()) : Json(nullptr)}};
}

void run(const ProbeOptions& options) {
  if (const std::string why = cuda::why_no_device(); !why.empty()) throw UnsupportedError(why);
  const int device = cuda::choose_devices({options.device}).front();
  std::optional<OutputFile> file;
  if (!options.json.empty()) file.emplace(options.json);
  const auto begin = std::chrono::steady_clock::now();
  bool is_whole = true;
  Json figures = Json::array();
  fmt::print("{}\n", cuda::describe(device).name);
  cuda::probe(device, [&](const cuda::ProbeFigure& figure) {
    fmt::print("{:<24} {:<38} {:>9} {:>14}\n", figure.name, figure.variant,
               format_time(figure.seconds), rate_text(figure));
    std::fflush(stdout);
    figures.push_back(value_of(figure));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    is_whole = took.count() < options.seconds;
    return is_whole;
  });
  if (!is_whole) fmt::print("the rest is left out: --seconds {:g} are over\n", options.seconds);
  if (!file) return;
  const Json document{{"schema_version", "1"},
                      {"device", cuda::describe(device).name},
                      {"is_whole", is_whole},
                      {"probe", figures}};
  file->write(document.dump(1) + "\n");
  file->commit();
}

}  // namespace
}  // namespace convscale

int main(int argc, char** argv) {
  using namespace convscale;
  ProbeOptions options;
  CLI::App app("Micro-benchmarks of one GPU: reads, copies, the link, arithmetic, launches.",
               "gpu_probe");
  app.add_option("--json", options.json, "Write the figures to this file")->type_name("FILE");
  app.add_option("--seconds", options.seconds, "Begin nothing more after so long (30)")
      ->check([](const std::string& text) { return expected(text, 1e-9, "seconds above 0"); });
  app.add_option("--devices", options.device, "The one to measure, as convscale --list counts (0)")
      ->check([](const std::string& text) {
        return expected(text, 0, "a number that convscale --list shows");
      });
  try {
    app.parse(argc, argv);
    run(options);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "gpu_probe: " << one_line(error.what()) << "; --help lists the options\n";
    return static_cast<int>(ExitCode::kUsage);
  } catch (const std::exception& error) {
    const auto* const known = dynamic_cast<const Error*>(&error);  // else there is no memory, say
    std::cerr << "gpu_probe: " << one_line(error.what()) << '\n';
    return static_cast<int>(known != nullptr ? known->code() : ExitCode::kFailure);
  }
  return 0;
}
