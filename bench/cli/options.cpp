// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/options.hpp"

#include "bench/cli/command_line.hpp"
#include "bench/cli/option_declarations.hpp"
#include "bench/data/output_file.hpp"
#include "common/error.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace convscale {
namespace {

/// Of a measurement that is to become precise on a machine that may never be.
constexpr double kUsualTimeoutSeconds = 60;
/// More rows than that are more likely a slip than a wish.
constexpr double kManyRows = 1000, kMostRows = 100'000;

/// Two formats in one file would leave the last of them, and data that are read are not to be lost.
void forbid_same_file(const CommandLine& line) {
  std::vector<std::pair<const char*, std::string>> files{{"--images", line.text("--images")},
                                                         {"--filters", line.text("--filters")}};
  const std::size_t inputs = files.size();
  if (const std::string& folder = line.text("--save"); !folder.empty()) {
    for (const char* name : {"/images.npy", "/filters.npy", "/results.npy"})
      files.emplace_back("--save", folder + name);
  }
  for (const char* name : {"--json", "--csv", "--md"}) files.emplace_back(name, line.text(name));
  const auto path = [](const std::string& name) {
    std::error_code error;  // what cannot be looked at is no file that is there
    const auto absolute = std::filesystem::absolute(name);
    const auto canonical = std::filesystem::weakly_canonical(absolute, error);
    return error ? absolute.lexically_normal() : canonical;
  };
  for (std::size_t i = inputs; i < files.size(); ++i) {
    const auto& [name, file] = files[i];
    for (std::size_t j = 0; j < i && !file.empty(); ++j) {
      const auto& [other, other_file] = files[j];
      if (other_file.empty() || path(file) != path(other_file)) continue;
      std::error_code error;  // devices may be written twice
      if (std::filesystem::is_character_file(file, error)) continue;
      throw UsageError(
          j < inputs
              ? fmt::format("{} would write over {} {}; give it another name", name, other, file)
              : fmt::format("{} and {} both write {}; give each a file of its own", other, name,
                            file));
    }
  }
}

void forbid_beside(const CommandLine& line, const char* file_option,
                   std::initializer_list<const char*> others) {
  if (line.text(file_option).empty()) return;
  for (const char* other : others) {
    if (!line.has(other)) continue;
    throw UsageError(
        fmt::format("{0} beside {1}: it is read from the file; leave {0} out", other, file_option));
  }
}

/// The images' sizes from their file; and the element type, unless it was chosen.
void take_images(const CommandLine& line, Options& options) {
  options.images = std::make_shared<NpyStack>(line.text("--images"));
  for (Config& config : options.configs) {
    config.shape.images = options.images->count();
    config.shape.height = options.images->height();
    config.shape.width = options.images->width();
    config.fill = Fill::kFile;
    if (line.has("--dtype")) continue;
    config.dtype = options.images->type() == NpyType::kFloat32 ? Dtype::kFloat32 : Dtype::kFloat64;
  }
}

void take_filters(const std::string& file, Options& options) {
  options.filters = std::make_shared<NpyStack>(file);
  const NpyStack& filters = *options.filters;
  if (filters.height() != filters.width() || filters.height() > kMaxFilterSize) {
    throw UsageError(fmt::format("{}: filters are {}x{}; give square ones of at most {}x{}", file,
                                 filters.height(), filters.width(), kMaxFilterSize,
                                 kMaxFilterSize));
  }
  for (Config& config : options.configs) {
    config.filters_from_file = true;
    config.shape.filter_size = filters.height();
    if (filters.count() != 1 && filters.count() != config.shape.images) {
      throw UsageError(
          fmt::format("{}: {} filters for {} images; give one for each image, or one for all", file,
                      filters.count(), config.shape.images));
    }
  }
}

/// Before they are made: a slip of the finger may ask for more than memory holds.
void check_row_count(const CommandLine& line) {
  double rows = 1;  // overflows for no command line
  for (const OptionDeclaration* option : list_options()) {
    const std::string& list = line.text(option->name());
    rows *= 1 + static_cast<double>(std::ranges::count(list, ','));
  }
  if (rows > kMostRows)
    throw UsageError(fmt::format("the lists make more than {} rows; run them in parts", kMostRows));
  if (rows > kManyRows && !line.flag("--yes"))
    throw UsageError(fmt::format("the lists make {} rows; --yes runs them all", rows));
}

/// What is the same in all rows.
Config read_common(const CommandLine& line) {
  Config config;
  for (const OptionDeclaration& option : option_declarations()) {
    if (!option.read || option.varies > 0) continue;
    const std::string name = option.name();
    if (option.type.empty() ? line.flag(name) : !line.text(name).empty())
      option.read(config, name, option.type.empty() ? "" : line.text(name));
  }
  config.devices_chosen = line.has("--devices");
  if (config.stop.max_noise && !config.stop.timeout_s) config.stop.timeout_s = kUsualTimeoutSeconds;
  return config;
}

/// The product of the lists, the last one fastest.
std::vector<Config> read_configs(const CommandLine& line) {
  std::vector<Config> configs{read_common(line)};
  check_row_count(line);
  for (const OptionDeclaration* option : list_options()) {
    const std::string name = option->name();
    const std::vector<std::string> values = split_list(name, line.text(name));
    std::vector<Config> product;
    for (const Config& config : configs) {
      for (const std::string& value : values)
        option->read(product.emplace_back(config), name, value);
    }
    configs = std::move(product);
  }
  if (configs.size() == 1) configs.front().interleaved = false;
  return configs;
}

/// Options that make no sense together.
void check_combinations(const Options& options) {
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
                    options.save->string(), options.configs.size()));
  }
}

}  // namespace

bool is_question(const std::vector<std::string>& args) {
  try {
    const CommandLine line = parse_command_line(args);
    return line.help || line.flag("--list") || line.flag("--version");
  } catch (const UsageError&) {
    return false;
  }
}

Options parse_options(const std::vector<std::string>& args) {
  CommandLine line = parse_command_line(args);
  Options options;
  options.answer = line.help;
  options.list = line.flag("--list");
  options.version = line.flag("--version");
  if (options.answer || options.list || options.version) return options;
  if (line.flag("--dragon")) {
    throw UsageError(
        "--dragon: this program has no Dragon runtime; scripts/baseline.py runs the original's way "
        "beside it");
  }
  for (const char* file : {"--json", "--csv", "--md"}) {
    if (own_descriptor(line.text(file)) == STDOUT_FILENO) line.texts[file] = "-";
  }
  forbid_same_file(line);
  options.json = line.text("--json");
  options.csv = line.text("--csv");
  options.md = line.text("--md");
  options.interleave = line.flag("--interleave");
  options.iteration_lines = line.flag("--iteration-lines");
  options.quiet = line.flag("--quiet");
  options.progress = !line.flag("--no-progress");
  if (const std::string& folder = line.text("--save"); !folder.empty()) options.save = folder;
  forbid_beside(line, "--images", {"--size", "--mem", "--fill"});
  forbid_beside(line, "--filters", {"--filter-size"});
  options.configs = read_configs(line);
  if (!line.text("--images").empty()) take_images(line, options);
  if (!line.text("--filters").empty()) take_filters(line.text("--filters"), options);
  check_combinations(options);
  return options;
}

}  // namespace convscale
