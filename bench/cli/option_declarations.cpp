// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/option_declarations.hpp"

#include "bench/cli/option_values.hpp"
#include "common/error.hpp"
#include "common/vocabulary.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <mutex>
#include <numeric>
#include <utility>

namespace convscale {
namespace {

template <class E>
std::string choices() {
  return fmt::format("{}", fmt::join(kNames<E>, "|"));
}

/// Letters to add, drop or change to make `b` of `a` (Levenshtein).
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

bool is_number(const std::string& text) {
  return text.size() > 1 && text[0] == '-' && (std::isdigit(text[1]) != 0 || text[1] == '.');
}

/// An empty value is more likely a script's unset variable than a wish; and one that looks like an
/// option shows that the value is missing.
void require_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_expected_max() == 0 || option->count() == 0) continue;
    const auto value = option->as<std::string>();
    if (value.empty())
      reject_value(option->get_name(), "", "a value; leave the option out for none");
    if (value.size() > 1 && value.starts_with("-") && !is_number(value))
      reject_value(option->get_name(), value, "a value; a file of such a name is ./" + value);
  }
}

/// Declares all options; parsing with `app` fills `text`.
void declare(CLI::App& app, OptionText& text) {
  const auto add = [&](const char* group, const char* name, std::string& value,
                       const std::string& type, const char* help) {
    CLI::Option* option = app.add_option(name, value, help)->group(group)->type_name(type);
    if (!value.empty()) option->capture_default_str();
    return option;
  };
  const char* work = "Workload";
  add(work, "--size", text.size, "SIDE|HxW", "Image size in pixels");
  add(work, "--mem", text.mem, "PIXELS",
      "Pixels of all images together; suffixes k M G T, Ki Mi Gi Ti");
  add(work, "--filter-size", text.filter_size, "K", "Filters are K x K, 1 to 31");
  add(work, "--stride", text.stride, "S", "Every S-th row and column of the result is kept");
  add(work, "--dtype", text.dtype, choices<Dtype>(),
      "Element type; with --images the file's own if that is a float");
  add(work, "--fill", text.fill, "random|zeros|integers", "What the images and filters hold");
  add(work, "--seed", text.seed, "N", "Of the generator");
  add(work, "--images", text.images, "FILE.npy",
      "Read images (N, H, W) or (H, W) instead of generating them");
  add(work, "--filters", text.filters, "FILE.npy", "Read N filters (N, K, K), or one for all");
  add(work, "--save", text.save, "DIR",
      "Write images.npy, filters.npy and results.npy there; not with lists");
  const char* how = "Measurement";
  add(how, "--backend", text.backend, "cpu|cuda", "Where to run");
  add(how, "--kernel", text.kernel, "NAME",
      "Implementation; auto takes the fastest one here; see --list");
  add(how, "--method", text.method, choices<Method>(),
      "All outputs, then decimated; or only the kept ones");
  add(how, "--scope", text.scope, choices<Scope>(),
      "From and to host memory, or data that stays on the device");
  add(how, "--host-memory", text.host_memory, choices<HostMemory>(), "Host memory of a GPU run");
  add(how, "--devices", text.devices, "LIST|all", "GPUs by their numbers, such as 0,1; see --list");
  add(how, "-w,--num_workers,--num-workers", text.num_workers, "N",
      "Worker threads, or streams of a GPU");
  add(how, "--distribute", text.distribute, choices<Distribute>(),
      "With several ranks: ship images and results with each iteration, or make them where they "
      "are used");
  add(how, "--iterations", text.iterations, "N", "Measured iterations");
  add(how, "--burns", text.burns, "N", "Iterations before that, not measured");
  add(how, "--min-time", text.min_time, "SECONDS",
      "Go on until the measured iterations took so long together");
  add(how, "--max-noise", text.max_noise, "PERCENT",
      "Go on until the median is known so well (half of its 95 % interval)");
  add(how, "--timeout", text.timeout, "SECONDS",
      "End a row's iterations after that; 60 with --max-noise");
  add(how, "--work_time,--work-time", text.work_time, "SECONDS",
      "Repeat each image's convolution for so long, then do it once more, as the original's newest "
      "version");
  app.add_flag("--interleave", text.interleave,
               "Measure all rows together, one iteration of each in turn")
      ->group(how);
  app.add_flag("--yes", text.yes, "Do run lists that make more than 1000 rows")->group(how);
  add(how, "--schedule", text.schedule, choices<Schedule>(), "How images are dealt to workers");
  add(how, "--bind", text.bind, choices<Bind>(), "How workers are pinned to processors");
  app.add_flag("--no-verify", text.no_verify, "Do not compare the results with the reference")
      ->group(how);
  const char* output = "Output";
  add(output, "--json", text.json, "FILE", "Write the full record; - is standard output");
  add(output, "--csv", text.csv, "FILE", "Write the records as CSV");
  add(output, "--md", text.md, "FILE", "Write the records as a Markdown table");
  app.add_flag("--list", text.list, "List kernels and devices and why some are not supported here")
      ->group(output);
  app.add_flag("--version", text.version, "Print the version and how it was built")->group(output);
  app.add_flag("--iteration-lines", text.iteration_lines,
               "Print the time of each iteration, burns first, as the original's newest version")
      ->group(output);
  app.add_flag("--quiet", text.quiet, "Print the original's four lines, verification and FOM only")
      ->group(output);
  app.add_flag("--no-progress", text.no_progress, "No progress bar on the terminal")->group(output);
  app.add_flag("--dragon", text.dragon)->group("");
  app.footer(
      "--backend, --kernel, --method, --scope, --dtype, --num_workers, --size and --mem take\n"
      "comma-separated lists: a row for each combination, the last of these varying fastest.\n"
      "With cpu and cuda in one run it is also said from how many images on the GPU pays.\n"
      "Example: convscale --num_workers 8 --method full --size 1080x1920 --json run.json\n"
      "         convscale --backend cpu,cuda --method full,strided\n");
}

/// The option that was most likely meant by `typed`; empty if none is near.
std::string closest_option(const CLI::App& app, const std::string& typed) {
  std::string best;
  std::size_t least = 4;  // what differs in more letters is another word
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const std::size_t distance = edit_distance(typed, "--" + name);
      if (distance >= least || option->get_group().empty()) continue;
      least = distance;
      best = "--" + name;
    }
  }
  return best;
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& args) {
  CLI::App app(
      "Measures how fast this machine convolves images, verified, against what the hardware "
      "allows.",
      "convscale");
  CommandLine line;
  // CLI11 2.4 takes an errno that another thread's first flag leaves for a fault of its own; ranks
  // may be threads.
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  declare(app, line.text);
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend() - 1);  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    line.help = app.help();
    return line;
  } catch (const CLI::ExtrasError&) {
    const std::string typed = app.remaining().front();
    const std::string meant = closest_option(app, typed);
    throw UsageError(fmt::format("{}: no such option; {}convscale --help lists them", typed,
                                 meant.empty() ? "" : "did you mean " + meant + "? "));
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    throw UsageError(message + "; convscale --help lists the options");
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0) continue;
    for (const std::string& name : option->get_lnames()) line.given.insert("--" + name);
  }
  // These answer whatever stands beside them.
  if (!line.text.list && !line.text.version && !line.text.dragon) require_values(app);
  return line;
}

}  // namespace convscale
