// SPDX-License-Identifier: Apache-2.0
#include "bench/options.hpp"

#include "bench/values.hpp"
#include "common/error.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <utility>

namespace convscale {
namespace {

constexpr std::int64_t kMaxWorkers = 65536, kMaxIterations = 1'000'000, kMaxFilterSize = 31;
constexpr std::int64_t kMaxStride = std::int64_t{1} << 31;

/// The options as they were typed. Every value is read by values.hpp, so that all messages are of
/// one kind.
struct Text {
  std::string num_workers = "4", iterations = "10", burns = "2", size = "1000", mem = "33554432";
  std::string backend = "cpu", kernel = "auto", method = "full", scope = "end-to-end",
              dtype = "float64";
  std::string filter_size = "4", stride = "5", fill = "random", seed = "0";
  std::string schedule = "static", bind = "spread", host_memory = "pinned", devices = "0";
  std::string images, filters, save, json, csv, md;
  bool no_verify = false, list = false, version = false, quiet = false, no_progress = false,
       dragon = false;
};

template <class E>
std::string choices() {
  return fmt::format("{}", fmt::join(kNames<E>, "|"));
}

void declare(CLI::App& app, Text& text) {
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
  add(how, "--iterations", text.iterations, "N", "Measured iterations");
  add(how, "--burns", text.burns, "N", "Iterations before that, not measured");
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

/// An empty name is more likely a script's unset variable than a wish.
void require_names(const CLI::App& app) {
  for (const char* option : {"--images", "--filters", "--save", "--json", "--csv", "--md"}) {
    if (app.count(option) > 0 && app[option]->as<std::string>().empty()) {
      reject_value(option, "", "a name; leave the option out for none");
    }
  }
}

/// Two formats in one file would leave the last of them.
void forbid_same_file(const Options& options) {
  const std::pair<const char*, const std::optional<std::string>&> outputs[] = {
      {"--json", options.json}, {"--csv", options.csv}, {"--md", options.md}};
  const auto path = [](const std::string& text) {
    return std::filesystem::absolute(text).lexically_normal();
  };
  for (const auto& [name, file] : outputs) {
    for (const auto& [other, other_file] : outputs) {
      if (name == other) break;
      if (file && other_file && path(*file) == path(*other_file)) {
        throw UsageError(fmt::format("{} and {} both write {}; give each a file of its own", other,
                                     name, *file));
      }
    }
  }
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

/// The option that was most likely meant; empty if none is near.
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

std::optional<std::string> non_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

void forbid_beside(const CLI::App& app, const char* file_option,
                   std::initializer_list<const char*> others) {
  for (const char* other : others) {
    if (app.count(other) > 0) {
      throw UsageError(fmt::format("{} beside {}: it is read from the file; leave {} out", other,
                                   file_option, other));
    }
  }
}

/// Copies each of `configs` for each of `values`, which thus vary faster than what came before.
template <class Value, class Apply>
void expand(std::vector<Config>& configs, const std::vector<Value>& values, Apply&& apply) {
  std::vector<Config> product;
  for (const Config& config : configs) {
    for (const Value& value : values) apply(product.emplace_back(config), value);
  }
  configs = std::move(product);
}

void set_size(Config& config, const std::string& text) {
  const ImageSize size = parse_size("--size", text);
  config.shape.height = size.height;
  config.shape.width = size.width;
  if (config.shape.pixels() > kMaxPixels) {
    reject_value("--size", text, "an image of at most 2^48 pixels");
  }
}

void set_pixels(Config& config, const std::string& text) {
  Shape& s = config.shape;
  s.images = parse_pixels("--mem", text) / s.pixels();
  if (s.images == 0) {
    throw UsageError(fmt::format("--mem {}: holds no image of {}x{}; --mem {} would hold one", text,
                                 s.height, s.width, s.pixels()));
  }
}

/// The images' sizes, from a file or for each of the lists.
void read_images(const CLI::App& app, const Text& text, Options& options) {
  if (text.images.empty()) {
    expand(options.configs, split_list("--size", text.size), set_size);
    expand(options.configs, split_list("--mem", text.mem), set_pixels);
    return;
  }
  forbid_beside(app, "--images", {"--size", "--mem", "--fill"});
  options.images = std::make_shared<NpyStack>(text.images);
  for (Config& config : options.configs) {
    config.shape.images = options.images->count();
    config.shape.height = options.images->height();
    config.shape.width = options.images->width();
    config.fill = Fill::kFile;
    if (app.count("--dtype") > 0) continue;
    config.dtype = options.images->type() == NpyType::kFloat32 ? Dtype::kFloat32 : Dtype::kFloat64;
  }
}

void read_filters(const CLI::App& app, const Text& text, Options& options) {
  std::int64_t filter_size = 0;
  if (text.filters.empty()) {
    filter_size = parse_count("--filter-size", text.filter_size, 1, kMaxFilterSize);
  } else {
    forbid_beside(app, "--filters", {"--filter-size"});
    options.filters = std::make_shared<NpyStack>(text.filters);
    for (Config& config : options.configs) config.filters_from_file = true;
    const NpyStack& filters = *options.filters;
    filter_size = filters.height();
    if (filter_size != filters.width() || filter_size > kMaxFilterSize) {
      throw UsageError(fmt::format("{}: filters are {}x{}; give square ones of at most {}x{}",
                                   text.filters, filters.height(), filters.width(), kMaxFilterSize,
                                   kMaxFilterSize));
    }
  }
  for (Config& config : options.configs) {
    config.shape.filter_size = filter_size;
    const std::int64_t count = options.filters ? options.filters->count() : 1;
    if (count != 1 && count != config.shape.images) {
      throw UsageError(
          fmt::format("{}: {} filters for {} images; give one for each image, or one for all",
                      text.filters, count, config.shape.images));
    }
  }
}

/// What is the same in all rows.
Config read_common(const Text& text) {
  Config config;
  config.host_memory = parse_name<HostMemory>("--host-memory", text.host_memory);
  config.schedule = parse_name<Schedule>("--schedule", text.schedule);
  config.bind = parse_name<Bind>("--bind", text.bind);
  const auto fill = from_name<Fill>(text.fill);
  if (!fill || *fill == Fill::kFile) {
    reject_value("--fill", text.fill, "random, zeros or integers; --images FILE.npy reads a file");
  }
  config.fill = *fill;
  config.seed = parse_seed("--seed", text.seed);
  config.iterations =
      static_cast<int>(parse_count("--iterations", text.iterations, 1, kMaxIterations));
  config.burns = static_cast<int>(parse_count("--burns", text.burns, 0, kMaxIterations));
  config.shape.stride = parse_count("--stride", text.stride, 1, kMaxStride);
  config.devices = parse_devices("--devices", text.devices);
  config.verify = !text.no_verify;
  return config;
}

/// The product of the lists, the last one fastest.
void read_configs(const CLI::App& app, const Text& text, Options& options) {
  std::vector<Config>& configs = options.configs;
  configs = {read_common(text)};
  expand(configs, split_list("--backend", text.backend),
         [](Config& config, const std::string& name) { config.backend = name; });
  expand(configs, split_list("--kernel", text.kernel),
         [](Config& config, const std::string& name) { config.kernel = name; });
  expand(configs, parse_names<Method>("--method", text.method),
         [](Config& config, Method method) { config.method = method; });
  expand(configs, parse_names<Scope>("--scope", text.scope),
         [](Config& config, Scope scope) { config.scope = scope; });
  expand(configs, parse_names<Dtype>("--dtype", text.dtype),
         [](Config& config, Dtype dtype) { config.dtype = dtype; });
  expand(configs, split_list("--num_workers", text.num_workers),
         [](Config& config, const std::string& count) {
           config.num_workers =
               static_cast<int>(parse_count("--num_workers", count, 1, kMaxWorkers));
         });
  read_images(app, text, options);
  read_filters(app, text, options);
}

/// Options that make no sense together.
void check_combinations(const CLI::App& app, const Text& text, const Options& options) {
  const auto on_gpu = [](const Config& config) { return config.backend == "cuda"; };
  if (app.count("--devices") > 0 &&
      std::none_of(options.configs.begin(), options.configs.end(), on_gpu)) {
    throw UsageError(fmt::format(
        "--devices {}: backend {} has none to choose from; add --backend cuda, or leave it out",
        text.devices, text.backend));
  }
  for (const Config& config : options.configs) {
    if (on_gpu(config) && config.num_workers < std::ssize(config.devices)) {
      throw UsageError(
          fmt::format("--num_workers {}: {} devices need a stream each; --num_workers {} would do",
                      config.num_workers, config.devices.size(), config.devices.size()));
    }
  }
  if (options.save && options.configs.size() > 1) {
    throw UsageError(
        fmt::format("--save {}: keeps the results of one row, and the lists make {}; "
                    "give every option one value",
                    text.save, options.configs.size()));
  }
}

}  // namespace

Options parse_options(const std::vector<std::string>& args) {
  CLI::App app(
      "Measures how fast this machine convolves images, verified, against what the hardware "
      "allows.",
      "convscale");
  Text text;
  declare(app, text);
  Options options;
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend() - 1);  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    options.answer = app.help();
    return options;
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
  options.list = text.list;
  options.version = text.version;
  if (options.list || options.version) return options;
  if (text.dragon) {
    throw UsageError(
        "--dragon: this program has no Dragon runtime; scripts/baseline.py runs the original's way "
        "beside it");
  }
  require_names(app);
  options.quiet = text.quiet;
  options.progress = !text.no_progress;
  options.json = non_empty(text.json);
  options.csv = non_empty(text.csv);
  options.md = non_empty(text.md);
  forbid_same_file(options);
  if (!text.save.empty()) options.save = text.save;
  read_configs(app, text, options);
  check_combinations(app, text, options);
  return options;
}

}  // namespace convscale
