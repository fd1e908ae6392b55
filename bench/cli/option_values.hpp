// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/vocabulary.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Values of options, from text. All throw UsageError, which names the option, what was given, what
/// was expected and an example. No locale changes what they read.
namespace convscale {

/// The most pixels of all images together, so that no product of sizes overflows.
inline constexpr std::int64_t kMaxPixels = std::int64_t{1} << 48;
/// Filters are at most so high and wide.
inline constexpr std::int64_t kMaxFilterSize = 31;

struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// A whole number min..max in decimal digits.
std::int64_t parse_count(std::string_view option, std::string_view text, std::int64_t min,
                         std::int64_t max);

/// A seed: 0 .. 2^64 - 1.
std::uint64_t parse_seed(std::string_view option, std::string_view text);

/// A count of pixels: digits, optionally with k, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti (of
/// 1024).
std::int64_t parse_pixels(std::string_view option, std::string_view text);

/// "1000" (square) or "480x640" (height x width).
ImageSize parse_size(std::string_view option, std::string_view text);

/// The elements of a comma-separated list; at least one, none empty.
std::vector<std::string> split_list(std::string_view option, std::string_view text);

/// A finite number of seconds of at least `min`, such as "0.5".
double parse_seconds(std::string_view option, std::string_view text, double min);

/// A share in per cent, over 0 and up to 100, with or without its sign: 0.01 of "1" or "1%".
double parse_percent(std::string_view option, std::string_view text);

/// Numbers of devices, each once; none for "all".
std::vector<int> parse_devices(std::string_view option, std::string_view text);

[[noreturn]] void reject_value(std::string_view option, std::string_view text,
                               std::string_view expected);

/// One of the names of enumeration E.
template <class E>
E parse_name(std::string_view option, std::string_view text) {
  if (const auto value = from_name<E>(text)) return *value;
  std::string expected = "one of";
  for (const std::string_view name : kNames<E>)
    expected += std::string(name == kNames<E>.front() ? " " : ", ") + std::string(name);
  reject_value(option, text, expected);
}

/// A comma-separated list of names of enumeration E.
template <class E>
std::vector<E> parse_names(std::string_view option, std::string_view text) {
  std::vector<E> values;
  for (const std::string& name : split_list(option, text))
    values.push_back(parse_name<E>(option, name));
  return values;
}

}  // namespace convscale
