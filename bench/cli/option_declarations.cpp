// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/option_declarations.hpp"

#include "bench/data/json.hpp"
#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace convscale {
namespace {

/// The most pixels of all images together, so that no product of sizes overflows.
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 48;
constexpr int kMaxWorkers = 65536, kMaxIterations = 1'000'000;
constexpr std::int64_t kMaxStride = std::int64_t{1} << 31;

/// All of `text` as a decimal number, or nothing.
template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// One of the names of enumeration E.
template <class E>
E parse_name(std::string_view option, std::string_view text) {
  if (const auto value = from_name<E>(text)) return *value;
  reject_value(option, text, fmt::format("one of {}", fmt::join(kNames<E>, ", ")));
}

/// Reads a whole number min..max.
template <class T>
auto whole(T min, T max) {
  return [=](std::string_view option, std::string_view text) {
    const auto value = to_number<T>(text);
    if (!value || *value < min || *value > max)
      reject_value(option, text, fmt::format("a whole number from {} to {}", min, max));
    return *value;
  };
}

std::string parse_text(std::string_view, std::string_view text) { return std::string(text); }

/// A finite number of seconds, such as "0.5".
double parse_seconds(std::string_view option, std::string_view text) {
  constexpr double kMost = 1e9;
  const auto value = to_number<double>(text);
  if (!value || !(*value >= 0 && *value <= kMost))
    reject_value(option, text, fmt::format("seconds from 0 to {:g}, such as 0.5 or 10", kMost));
  return *value;
}

/// A share in per cent, over 0 and up to 100, with or without its sign: 0.01 of "1" or "1%".
double parse_percent(std::string_view option, std::string_view text) {
  const std::string_view digits = text.substr(0, text.size() - (text.ends_with('%') ? 1 : 0));
  const auto value = to_number<double>(digits);
  if (!value || !(*value > 0 && *value <= 100)) {
    reject_value(option, text, "per cent over 0 and up to 100, such as 1% or 0.5");
  }
  return *value / 100;
}

/// 0 is the original's own way to say that there is none.
std::optional<double> parse_work_time(std::string_view called, std::string_view text) {
  const double seconds = parse_seconds(called, text);
  return seconds > 0 ? std::optional(seconds) : std::nullopt;
}

Fill parse_fill(std::string_view called, std::string_view text) {
  const auto fill = from_name<Fill>(text);
  if (!fill || *fill == Fill::kFile)
    reject_value(called, text, "random, zeros or integers; --images FILE.npy reads a file");
  return *fill;
}

/// Numbers of devices, each once; none for "all".
std::vector<int> parse_devices(std::string_view option, std::string_view text) {
  constexpr int kMost = 1023;
  std::vector<int> devices;
  if (text == "all") return devices;
  for (const std::string& element : split_list(option, text)) {
    const auto device = to_number<int>(element);
    if (!device || *device < 0 || *device > kMost || std::ranges::count(devices, *device) > 0) {
      reject_value(option, text,
                   "all, or numbers of devices from 0 on, each once, such as 0 or 0,1");
    }
    devices.push_back(*device);
  }
  return devices;
}

/// "1000" (square) or "480x640" (height x width).
void read_size(Config& config, std::string_view option, std::string_view text) {
  const std::size_t x = text.find('x');
  const auto height = to_number<std::int32_t>(text.substr(0, x));
  const auto width =
      x == std::string_view::npos ? height : to_number<std::int32_t>(text.substr(x + 1));
  if (!height || !width || *height < 1 || *width < 1) {
    reject_value(
        option, text,
        "SIDE or HEIGHTxWIDTH in pixels, each from 1 to 2147483647, such as 1000 or 480x640");
  }
  config.shape.height = *height;
  config.shape.width = *width;
  if (config.shape.pixels() > kMaxPixels)
    reject_value(option, text, "an image of at most 2^48 pixels");
}

/// Images whose size is known, by the count of their pixels: digits, optionally with k, M, G, T
/// (powers of 1000) or Ki, Mi, Gi, Ti (of 1024).
void read_pixels(Config& config, std::string_view option, std::string_view text) {
  std::string_view digits = text;
  std::int64_t pixels = 1;
  const auto take_suffix = [&](std::initializer_list<std::string_view> suffixes,
                               std::int64_t base) {
    std::int64_t factor = 1;
    for (const std::string_view suffix : suffixes) {
      factor *= base;
      if (!text.ends_with(suffix)) continue;
      digits.remove_suffix(suffix.size());
      pixels = factor;
    }
  };
  take_suffix({"k", "M", "G", "T"}, 1000);
  take_suffix({"Ki", "Mi", "Gi", "Ti"}, 1024);
  const auto value = to_number<std::int64_t>(digits);
  if (!value || *value < 1 || __builtin_mul_overflow(pixels, *value, &pixels) ||
      pixels > kMaxPixels) {
    reject_value(option, text,
                 "a count of pixels from 1 to 2^48, such as 33554432, 32Mi or 1G "
                 "(suffixes k, M, G, T, Ki, Mi, Gi, Ti)");
  }
  Shape& s = config.shape;
  s.images = pixels / s.pixels();
  if (s.images == 0) {
    throw UsageError(fmt::format("{0} {1}: holds no image of {2}x{3}; {0} {4} would hold one",
                                 option, text, s.height, s.width, s.pixels()));
  }
}

/// The side of square filters.
void read_filter_size(Config& config, std::string_view option, std::string_view text) {
  config.shape.filter_size = whole<std::int64_t>(1, kMaxFilterSize)(option, text);
}

/// A place in a configuration, in one of its parts.
template <class Part, class T>
auto in(Part Config::*part, T Part::*member) {
  return [=](auto& config) -> auto& { return config.*part.*member; };
}

/// The `place` of a configuration, as a record has it.
template <class Place>
auto value_at(Place place) {
  return [place](const Config& config) -> FieldValue {
    const auto& value = std::invoke(place, config);
    if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(value)>>) {
      return name_of(value);
    } else {
      return value;
    }
  };
}

/// An option whose value, as `parse(option, text)` reads it, is one `place` of a configuration.
/// `option` has what is not as usual about it.
template <class Place, class Parse>
OptionDeclaration setting(const char* spellings, std::string type, Place place, Parse parse,
                          const char* help, OptionDeclaration option = {}) {
  option.spellings = spellings;
  option.type = std::move(type);
  option.help = help;
  std::string name = option.name().substr(2);
  std::ranges::replace(name, '-', '_');
  option.fields.resize(1);
  Field& field = option.fields.front();
  if (field.name.empty()) field.name = name;
  field.value = value_at(place);
  if (option.column.empty()) option.column = name;
  option.usual = text_of(field.value(Config()));
  option.read = [place, parse](Config& config, std::string_view called, std::string_view text) {
    std::invoke(place, config) = parse(called, text);
  };
  return option;
}

/// One of the names of an enumeration.
template <class E>
OptionDeclaration choice(const char* spellings, E Config::*member, const char* help,
                         OptionDeclaration option = {}) {
  option = setting(spellings, fmt::format("{}", fmt::join(kNames<E>, "|")), member, parse_name<E>,
                   help, std::move(option));
  option.fields[0].names = {kNames<E>.begin(), kNames<E>.end()};
  return option;
}

std::vector<OptionDeclaration> of_workload() {
  const auto shape = [](std::int64_t Shape::*member) { return in(&Config::shape, member); };
  const Field height{"height", value_at(shape(&Shape::height))};
  const Field width{"width", value_at(shape(&Shape::width))};
  const Field filter_size{"filter_size",
                          [](const Config& c) -> FieldValue { return c.shape.filter_size.height; }};
  const Field images{"images", value_at(shape(&Shape::images))};
  return {
      {"--size", "SIDE|HxW", "Image size in pixels", "1000", read_size, {height, width}, "size", 7},
      {"--mem",
       "PIXELS",
       "Pixels of all images together; suffixes k M G T, Ki Mi Gi Ti",
       "33554432",
       read_pixels,
       {images},
       "images",
       8},
      {"--filter-size",
       "K",
       "Filters are K x K, 1 to 31",
       "4",
       read_filter_size,
       {filter_size},
       "filter_size"},
      setting("--stride", "S", shape(&Shape::stride), whole<std::int64_t>(1, kMaxStride),
              "Every S-th row and column of the result is kept"),
      choice("--dtype", &Config::dtype,
             "Element type; with --images the file's own if that is a float", {.varies = 5}),
      setting("--fill", "random|zeros|integers", &Config::fill, parse_fill,
              "What the images and filters hold"),
      setting("--seed", "N", &Config::seed, whole<std::uint64_t>(0, UINT64_MAX),
              "Of the generator"),
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
      choice("--host-memory", &Config::host_memory, "Host memory of a GPU run"),
      {"--devices", "LIST|all", "GPUs by their numbers, such as 0,1; see --list", "0",
       [](Config& c, auto called, auto text) { c.devices = parse_devices(called, text); }},
      setting("-w,--num_workers,--num-workers", "N", &Config::num_workers, whole(1, kMaxWorkers),
              "Worker threads, or streams of a GPU", {.column = "workers", .varies = 6}),
      choice("--distribute", &Config::distribute,
             "With several ranks: ship images and results with each iteration, or make them where "
             "they are used"),
      setting("--iterations", "N", &Config::iterations, whole(1, kMaxIterations),
              "Measured iterations"),
      setting("--burns", "N", &Config::burns, whole(0, kMaxIterations),
              "Iterations before that, not measured"),
      setting("--min-time", "SECONDS", stop(&StopRule::min_time_s), parse_seconds,
              "Go on until the measured iterations took so long together",
              {.fields = {{"min_time_s"}}}),
      setting("--max-noise", "PERCENT", stop(&StopRule::max_noise), parse_percent,
              "Go on until the median is known so well (half of its 95 % interval)"),
      setting("--timeout", "SECONDS", stop(&StopRule::timeout_s), parse_seconds,
              "End a row's iterations after that; 60 with --max-noise",
              {.fields = {{"timeout_s"}}}),
      setting("--work_time,--work-time", "SECONDS", &Config::work_time_s, parse_work_time,
              "Repeat each image's convolution for so long, then do it once more, as the "
              "original's newest version"),
      setting("--interleave", "", &Config::interleaved, yes,
              "Measure all rows together, one iteration of each in turn",
              {.fields = {{"interleaved"}}}),
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

void reject_value(std::string_view option, std::string_view text, std::string_view expected) {
  throw UsageError(fmt::format("{} {}: expected {}", option, text.empty() ? "''" : text, expected));
}

std::vector<std::string> split_list(std::string_view option, std::string_view text) {
  std::vector<std::string> elements;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    elements.emplace_back(text.substr(begin, end - begin));
    if (elements.back().empty()) {
      reject_value(option, text, text.empty() ? "a value" : "a value between the commas");
    }
    begin = end + 1;
  }
  return elements;
}

std::string text_of(const FieldValue& value) {
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump();
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
  std::ranges::stable_sort(lists, {}, &OptionDeclaration::varies);
  return lists;
}

}  // namespace convscale
