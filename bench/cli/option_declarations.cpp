// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/option_declarations.hpp"

#include "bench/cli/option_values.hpp"
#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace convscale {
namespace {

constexpr std::int64_t kMaxWorkers = 65536, kMaxIterations = 1'000'000;
constexpr std::int64_t kMaxStride = std::int64_t{1} << 31;

template <class T>
FieldValue field_value(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(name_of(value));
  } else if constexpr (std::is_same_v<T, int>) {
    return std::int64_t{value};
  } else if constexpr (std::is_same_v<T, std::optional<double>>) {
    return value ? FieldValue(*value) : FieldValue();
  } else {
    return value;
  }
}

/// A place in a configuration, in one of its parts.
template <class Part, class T>
auto in(Part Config::*part, T Part::*member) {
  return [=](auto& config) -> auto& { return config.*part.*member; };
}

/// The `place` of a configuration, as a record has it.
template <class Place>
Field field(std::string name, Place place) {
  return {std::move(name), [place](const Config& c) { return field_value(std::invoke(place, c)); }};
}

/// What is not as usual about an option.
struct Apart {
  int varies = 0;
  const char* field = nullptr;   ///< its name, if it is not the option's
  const char* column = nullptr;  ///< its title, if it is not the option's name
  Told told = Told::kAlways;
};

/// An option whose value, as `parse(option, text)` reads it, is one `place` of a configuration.
template <class Place, class Parse>
OptionDeclaration setting(const char* spellings, std::string type, Place place, Parse parse,
                          const char* help, Apart apart = {}) {
  OptionDeclaration option{spellings, std::move(type), help};
  std::string name = option.name().substr(2);
  std::replace(name.begin(), name.end(), '-', '_');
  option.fields = {field(apart.field ? apart.field : name, place)};
  option.fields[0].told = apart.told;
  option.usual = text_of(option.fields[0].value(Config()));
  option.read = [place, parse](Config& config, std::string_view called, std::string_view text) {
    auto& value = std::invoke(place, config);
    value = static_cast<std::remove_reference_t<decltype(value)>>(parse(called, text));
  };
  option.column = apart.column ? apart.column : name;
  option.varies = apart.varies;
  return option;
}

/// One of the names of an enumeration.
template <class E>
OptionDeclaration choice(const char* spellings, E Config::*member, const char* help,
                         Apart apart = {}) {
  OptionDeclaration option = setting(spellings, fmt::format("{}", fmt::join(kNames<E>, "|")),
                                     member, parse_name<E>, help, apart);
  option.fields[0].names = {kNames<E>.begin(), kNames<E>.end()};
  return option;
}

/// A whole number min..max.
template <class Place>
OptionDeclaration count(const char* spellings, const char* type, Place place, std::int64_t min,
                        std::int64_t max, const char* help, Apart apart = {}) {
  const auto parse = [min, max](std::string_view called, std::string_view text) {
    return parse_count(called, text, min, max);
  };
  return setting(spellings, type, place, parse, help, apart);
}

std::string parse_text(std::string_view, std::string_view text) { return std::string(text); }

double parse_time(std::string_view called, std::string_view text) {
  return parse_seconds(called, text, 0);
}

/// 0 is the original's own way to say that there is none.
std::optional<double> parse_work_time(std::string_view called, std::string_view text) {
  const double seconds = parse_seconds(called, text, 0);
  return seconds > 0 ? std::optional(seconds) : std::nullopt;
}

Fill parse_fill(std::string_view called, std::string_view text) {
  const auto fill = from_name<Fill>(text);
  if (!fill || *fill == Fill::kFile)
    reject_value(called, text, "random, zeros or integers; --images FILE.npy reads a file");
  return *fill;
}

void read_size(Config& config, std::string_view called, std::string_view text) {
  const ImageSize size = parse_size(called, text);
  config.shape.height = size.height;
  config.shape.width = size.width;
  if (config.shape.pixels() > kMaxPixels)
    reject_value(called, text, "an image of at most 2^48 pixels");
}

/// Of images whose size is known.
void read_pixels(Config& config, std::string_view called, std::string_view text) {
  Shape& s = config.shape;
  s.images = parse_pixels(called, text) / s.pixels();
  if (s.images == 0) {
    throw UsageError(fmt::format("{0} {1}: holds no image of {2}x{3}; {0} {4} would hold one",
                                 called, text, s.height, s.width, s.pixels()));
  }
}

std::vector<OptionDeclaration> of_workload() {
  const auto shape = [](std::int64_t Shape::*member) { return in(&Config::shape, member); };
  OptionDeclaration size{"--size", "SIDE|HxW", "Image size in pixels", "1000", read_size};
  size.fields = {field("height", shape(&Shape::height)), field("width", shape(&Shape::width))};
  size.column = "size";
  size.varies = 7;
  OptionDeclaration mem{"--mem", "PIXELS",
                        "Pixels of all images together; suffixes k M G T, Ki Mi Gi Ti", "33554432",
                        read_pixels};
  mem.fields = {field("images", shape(&Shape::images))};
  mem.column = "images";
  mem.varies = 8;
  return {size,
          mem,
          count("--filter-size", "K", shape(&Shape::filter_size), 1, kMaxFilterSize,
                "Filters are K x K, 1 to 31"),
          count("--stride", "S", shape(&Shape::stride), 1, kMaxStride,
                "Every S-th row and column of the result is kept"),
          choice("--dtype", &Config::dtype,
                 "Element type; with --images the file's own if that is a float", {.varies = 5}),
          setting("--fill", "random|zeros|integers", &Config::fill, parse_fill,
                  "What the images and filters hold"),
          setting("--seed", "N", &Config::seed, parse_seed, "Of the generator"),
          {"--images", "FILE.npy", "Read images (N, H, W) or (H, W) instead of generating them"},
          {"--filters", "FILE.npy", "Read N filters (N, K, K), or one for all"},
          {"--save", "DIR", "Write images.npy, filters.npy and results.npy there; not with lists"}};
}

std::vector<OptionDeclaration> of_measurement() {
  const auto stop = [](auto member) { return in(&Config::stop, member); };
  const auto yes = [](auto, auto) { return true; };
  return {
      setting("--backend", "cpu|cuda", &Config::backend, parse_text, "Where to run", {.varies = 1}),
      setting("--kernel", "NAME", &Config::kernel, parse_text,
              "Implementation; auto takes the fastest one here; see --list", {.varies = 2}),
      choice("--method", &Config::method, "All outputs, then decimated; or only the kept ones",
             {.varies = 3}),
      choice("--scope", &Config::scope, "From and to host memory, or data that stays on the device",
             {.varies = 4}),
      choice("--host-memory", &Config::host_memory, "Host memory of a GPU run",
             {.told = Told::kOnDevices}),
      {"--devices", "LIST|all", "GPUs by their numbers, such as 0,1; see --list", "0",
       [](Config& c, auto called, auto text) { c.devices = parse_devices(called, text); }},
      count("-w,--num_workers,--num-workers", "N", &Config::num_workers, 1, kMaxWorkers,
            "Worker threads, or streams of a GPU", {.varies = 6, .column = "workers"}),
      choice("--distribute", &Config::distribute,
             "With several ranks: ship images and results with each iteration, or make them where "
             "they are used",
             {.told = Told::kOfSeveralRanks}),
      count("--iterations", "N", &Config::iterations, 1, kMaxIterations, "Measured iterations"),
      count("--burns", "N", &Config::burns, 0, kMaxIterations,
            "Iterations before that, not measured"),
      setting("--min-time", "SECONDS", stop(&StopRule::min_time_s), parse_time,
              "Go on until the measured iterations took so long together", {.field = "min_time_s"}),
      setting("--max-noise", "PERCENT", stop(&StopRule::max_noise), parse_percent,
              "Go on until the median is known so well (half of its 95 % interval)"),
      setting("--timeout", "SECONDS", stop(&StopRule::timeout_s), parse_time,
              "End a row's iterations after that; 60 with --max-noise", {.field = "timeout_s"}),
      setting("--work_time,--work-time", "SECONDS", &Config::work_time_s, parse_work_time,
              "Repeat each image's convolution for so long, then do it once more, as the "
              "original's newest version"),
      setting("--interleave", "", &Config::interleaved, yes,
              "Measure all rows together, one iteration of each in turn", {.field = "interleaved"}),
      {"--yes", "", "Do run lists that make more than 1000 rows"},
      choice("--schedule", &Config::schedule, "How images are dealt to workers"),
      choice("--bind", &Config::bind, "How workers are pinned to processors"),
      {"--no-verify", "", "Do not compare the results with the reference", "",
       [](Config& c, auto, auto) { c.verify = false; }}};
}

std::vector<OptionDeclaration> of_output() {
  return {{"--json", "FILE", "Write the full record; - is standard output"},
          {"--csv", "FILE", "Write the records as CSV"},
          {"--md", "FILE", "Write the records as a Markdown table"},
          {"--list", "", "List kernels and devices and why some are not supported here"},
          {"--version", "", "Print the version and how it was built"},
          {"--iteration-lines", "",
           "Print the time of each iteration, burns first, as the original's newest version"},
          {"--quiet", "", "Print the original's four lines, verification and FOM only"},
          {"--no-progress", "", "No progress bar on the terminal"}};
}

}  // namespace

std::string text_of(const FieldValue& value) {
  if (std::holds_alternative<std::nullptr_t>(value)) return "";
  return std::visit([](const auto& known) { return fmt::format("{}", known); }, value);
}

std::string OptionDeclaration::name() const {
  const std::size_t begin = spellings.find("--");
  return spellings.substr(begin, spellings.find(',', begin) - begin);
}

const std::vector<OptionDeclaration>& option_declarations() {
  static const std::vector<OptionDeclaration> all = [] {
    std::vector<OptionDeclaration> options;
    for (auto& [group, part] : {std::pair("Workload", of_workload()),
                                {"Measurement", of_measurement()},
                                {"Output", of_output()},
                                {"", {{"--dragon", "", ""}}}}) {
      for (const OptionDeclaration& option : part) options.emplace_back(option).group = group;
    }
    return options;
  }();
  return all;
}

std::vector<const OptionDeclaration*> list_options() {
  std::vector<const OptionDeclaration*> lists;
  for (const OptionDeclaration& option : option_declarations()) {
    if (option.varies > 0) lists.push_back(&option);
  }
  std::stable_sort(lists.begin(), lists.end(),
                   [](const auto* a, const auto* b) { return a->varies < b->varies; });
  return lists;
}

}  // namespace convscale
