// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/options.hpp"

#include "bench/cli/option_declarations.hpp"
#include "bench/cli/option_values.hpp"
#include "bench/report/output_file.hpp"
#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

namespace convscale {
namespace {

constexpr std::int64_t kMaxWorkers = 65536, kMaxIterations = 1'000'000, kMaxFilterSize = 31;
constexpr std::int64_t kMaxStride = std::int64_t{1} << 31;
/// More rows than that are more likely a slip than a wish.
constexpr std::size_t kManyRows = 1000, kMostRows = 100'000;
/// Of a measurement that is to become precise on a machine that may never be.
constexpr double kUsualTimeoutSeconds = 60;

/// Two formats in one file would leave the last of them, and data that are read are not to be lost.
void forbid_same_file(const OptionText& text) {
  const std::pair<const char*, std::string> files[] = {
      {"--images", text.images},
      {"--filters", text.filters},
      {"--save", text.save.empty() ? "" : text.save + "/images.npy"},
      {"--save", text.save.empty() ? "" : text.save + "/filters.npy"},
      {"--save", text.save.empty() ? "" : text.save + "/results.npy"},
      {"--json", text.json},
      {"--csv", text.csv},
      {"--md", text.md}};
  const auto path = [](const std::string& name) {
    std::error_code error;  // what cannot be looked at is no file that is there
    const auto absolute = std::filesystem::absolute(name);
    const auto canonical = std::filesystem::weakly_canonical(absolute, error);
    return error ? absolute.lexically_normal() : canonical;
  };
  constexpr std::size_t kInputs = 2;
  for (std::size_t i = kInputs; i < std::size(files); ++i) {
    const auto& [name, file] = files[i];
    for (std::size_t j = 0; j < i && !file.empty(); ++j) {
      const auto& [other, other_file] = files[j];
      if (other_file.empty() || path(file) != path(other_file)) continue;
      std::error_code error;  // devices may be written twice
      if (std::filesystem::is_character_file(file, error)) continue;
      throw UsageError(
          j < kInputs
              ? fmt::format("{} would write over {} {}; give it another name", name, other, file)
              : fmt::format("{} and {} both write {}; give each a file of its own", other, name,
                            file));
    }
  }
}

std::optional<std::string> non_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

void forbid_beside(const CommandLine& line, const char* file_option,
                   std::initializer_list<const char*> others) {
  for (const char* other : others) {
    if (line.has(other)) {
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
void read_images(const CommandLine& line, Options& options) {
  const OptionText& text = line.text;
  if (text.images.empty()) {
    expand(options.configs, split_list("--size", text.size), set_size);
    expand(options.configs, split_list("--mem", text.mem), set_pixels);
    return;
  }
  forbid_beside(line, "--images", {"--size", "--mem", "--fill"});
  options.images = std::make_shared<NpyStack>(text.images);
  for (Config& config : options.configs) {
    config.shape.images = options.images->count();
    config.shape.height = options.images->height();
    config.shape.width = options.images->width();
    config.fill = Fill::kFile;
    if (line.has("--dtype")) continue;
    config.dtype = options.images->type() == NpyType::kFloat32 ? Dtype::kFloat32 : Dtype::kFloat64;
  }
}

void read_filters(const CommandLine& line, Options& options) {
  const OptionText& text = line.text;
  std::int64_t filter_size = 0;
  if (text.filters.empty()) {
    filter_size = parse_count("--filter-size", text.filter_size, 1, kMaxFilterSize);
  } else {
    forbid_beside(line, "--filters", {"--filter-size"});
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

void read_stop_rule(const OptionText& text, StopRule& rule) {
  if (!text.min_time.empty()) rule.min_time_s = parse_seconds("--min-time", text.min_time, 0);
  if (!text.max_noise.empty()) {
    rule.max_noise = parse_percent("--max-noise", text.max_noise);
    rule.timeout_s = kUsualTimeoutSeconds;
  }
  if (!text.timeout.empty()) rule.timeout_s = parse_seconds("--timeout", text.timeout, 0);
}

/// What is the same in all rows.
Config read_common(const OptionText& text) {
  Config config;
  config.host_memory = parse_name<HostMemory>("--host-memory", text.host_memory);
  config.distribute = parse_name<Distribute>("--distribute", text.distribute);
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
  read_stop_rule(text, config.stop);
  if (!text.work_time.empty()) {
    const double work_time_s = parse_seconds("--work_time", text.work_time, 0);
    if (work_time_s > 0) config.work_time_s = work_time_s;  // 0 is the original's own default
  }
  config.interleaved = text.interleave;
  return config;
}

/// Before they are made: a slip of the finger may ask for more than memory holds.
void check_row_count(const OptionText& text) {
  std::size_t rows = 1;
  for (const std::string* list : {&text.backend, &text.kernel, &text.method, &text.scope,
                                  &text.dtype, &text.num_workers, &text.size, &text.mem}) {
    const auto elements = static_cast<std::size_t>(std::count(list->begin(), list->end(), ',')) + 1;
    if (__builtin_mul_overflow(rows, elements, &rows)) rows = kMostRows + 1;
    rows = std::min(rows, kMostRows + 1);
  }
  if (rows > kMostRows) {
    throw UsageError(fmt::format("the lists make more than {} rows; run them in parts", kMostRows));
  }
  if (rows > kManyRows && !text.yes) {
    throw UsageError(fmt::format("the lists make {} rows; --yes runs them all", rows));
  }
}

/// The product of the lists, the last one fastest.
void read_configs(const CommandLine& line, Options& options) {
  const OptionText& text = line.text;
  std::vector<Config>& configs = options.configs;
  configs = {read_common(text)};
  check_row_count(text);
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
  read_images(line, options);
  read_filters(line, options);
}

/// Options that make no sense together.
void check_combinations(const CommandLine& line, const Options& options) {
  const OptionText& text = line.text;
  const auto on_gpu = [](const Config& config) { return config.backend == "cuda"; };
  if (line.has("--devices") &&
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
  const Config& config = options.configs.front();
  if (config.work_time_s && config.schedule == Schedule::kSplit) {
    throw UsageError(
        "--work_time beside --schedule split: it is the time of an image, which split deals to "
        "several workers; --schedule static or dynamic would do");
  }
  if (options.save && options.configs.size() > 1) {
    throw UsageError(
        fmt::format("--save {}: keeps the results of one row, and the lists make {}; "
                    "give every option one value",
                    text.save, options.configs.size()));
  }
}

}  // namespace

bool is_question(const std::vector<std::string>& args) {
  try {
    const CommandLine line = parse_command_line(args);
    return line.help || line.text.list || line.text.version;
  } catch (const UsageError&) {
    return false;
  }
}

Options parse_options(const std::vector<std::string>& args) {
  CommandLine line = parse_command_line(args);
  OptionText& text = line.text;
  for (std::string* file : {&text.json, &text.csv, &text.md}) {
    if (own_descriptor(*file) == STDOUT_FILENO) *file = "-";
  }
  Options options;
  options.answer = line.help;
  options.list = text.list;
  options.version = text.version;
  if (options.answer || options.list || options.version) return options;
  if (text.dragon) {
    throw UsageError(
        "--dragon: this program has no Dragon runtime; scripts/baseline.py runs the original's way "
        "beside it");
  }
  options.interleave = text.interleave;
  options.iteration_lines = text.iteration_lines;
  options.quiet = text.quiet;
  options.progress = !text.no_progress;
  forbid_same_file(text);
  options.json = non_empty(text.json);
  options.csv = non_empty(text.csv);
  options.md = non_empty(text.md);
  if (!text.save.empty()) options.save = text.save;
  read_configs(line, options);
  for (Config& config : options.configs) config.devices_chosen = line.has("--devices");
  if (options.configs.size() == 1) options.configs.front().interleaved = false;
  check_combinations(line, options);
  return options;
}

}  // namespace convscale
