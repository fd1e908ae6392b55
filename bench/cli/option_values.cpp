// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/option_values.hpp"

#include "common/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace convscale {
namespace {

constexpr std::int64_t kMaxSide = std::numeric_limits<std::int32_t>::max();

/// All of `text` as a decimal number, or nothing.
template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

void reject_value(std::string_view option, std::string_view text, std::string_view expected) {
  throw UsageError(fmt::format("{} {}: expected {}", option, text.empty() ? "''" : text, expected));
}

std::int64_t parse_count(std::string_view option, std::string_view text, std::int64_t min,
                         std::int64_t max) {
  const auto value = to_number<std::int64_t>(text);
  if (!value || *value < min || *value > max) {
    reject_value(option, text, fmt::format("a whole number from {} to {}", min, max));
  }
  return *value;
}

std::uint64_t parse_seed(std::string_view option, std::string_view text) {
  const auto value = to_number<std::uint64_t>(text);
  if (!value) reject_value(option, text, "a whole number from 0 to 18446744073709551615");
  return *value;
}

std::int64_t parse_pixels(std::string_view option, std::string_view text) {
  static constexpr struct {
    std::string_view suffix;
    std::int64_t factor;
  } kUnits[] = {{"Ki", std::int64_t{1} << 10},
                {"Mi", std::int64_t{1} << 20},
                {"Gi", std::int64_t{1} << 30},
                {"Ti", std::int64_t{1} << 40},
                {"k", 1'000},
                {"M", 1'000'000},
                {"G", 1'000'000'000},
                {"T", 1'000'000'000'000}};
  constexpr std::string_view kExpected =
      "a count of pixels from 1 to 2^48, such as 33554432, 32Mi or 1G (suffixes k, M, G, T, Ki, "
      "Mi, "
      "Gi, Ti)";
  std::string_view digits = text;
  std::int64_t pixels = 1;
  for (const auto& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    digits.remove_suffix(unit.suffix.size());
    pixels = unit.factor;
    break;
  }
  const auto value = to_number<std::int64_t>(digits);
  if (!value || *value < 1 || __builtin_mul_overflow(pixels, *value, &pixels) ||
      pixels > kMaxPixels) {
    reject_value(option, text, kExpected);
  }
  return pixels;
}

ImageSize parse_size(std::string_view option, std::string_view text) {
  const std::size_t x = text.find('x');
  const auto height = to_number<std::int64_t>(text.substr(0, x));
  const auto width =
      x == std::string_view::npos ? height : to_number<std::int64_t>(text.substr(x + 1));
  if (!height || !width || *height < 1 || *width < 1 || *height > kMaxSide || *width > kMaxSide) {
    reject_value(
        option, text,
        "SIDE or HEIGHTxWIDTH in pixels, each from 1 to 2147483647, such as 1000 or 480x640");
  }
  return {*height, *width};
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

double parse_seconds(std::string_view option, std::string_view text, double min) {
  constexpr double kMost = 1e9;
  const auto value = to_number<double>(text);
  if (!value || !(*value >= min && *value <= kMost)) {
    reject_value(option, text,
                 fmt::format("seconds from {:g} to {:g}, such as 0.5 or 10", min, kMost));
  }
  return *value;
}

double parse_percent(std::string_view option, std::string_view text) {
  const std::string_view digits = text.substr(0, text.size() - (text.ends_with('%') ? 1 : 0));
  const auto value = to_number<double>(digits);
  if (!value || !(*value > 0 && *value <= 100)) {
    reject_value(option, text, "per cent over 0 and up to 100, such as 1% or 0.5");
  }
  return *value / 100;
}

std::vector<int> parse_devices(std::string_view option, std::string_view text) {
  constexpr int kMost = 1023;
  constexpr std::string_view kExpected =
      "all, or numbers of devices from 0 on, each once, such as 0 or 0,1";
  std::vector<int> devices;
  if (text == "all") return devices;
  for (const std::string& element : split_list(option, text)) {
    const auto device = to_number<int>(element);
    if (!device || *device < 0 || *device > kMost ||
        std::find(devices.begin(), devices.end(), *device) != devices.end()) {
      reject_value(option, text, kExpected);
    }
    devices.push_back(*device);
  }
  return devices;
}

}  // namespace convscale
