// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/config.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace convscale {

/// A value of a configuration, as a record has it.
using FieldValue = nlohmann::ordered_json;

/// Empty for null.
std::string text_of(const FieldValue& value);

/// What a record tells of an option.
struct Field {
  std::string name = {};
  std::function<FieldValue(const Config&)> value = {};
  std::vector<std::string_view> names = {};  ///< all that it may be; empty if it is no such choice
};

/// Filters are at most so high and wide.
inline constexpr std::int64_t kMaxFilterSize = 31;

/// Throws the UsageError of a value that is not what was expected.
[[noreturn]] void reject_value(std::string_view option, std::string_view text,
                               std::string_view expected);

/// The elements of a comma-separated list; at least one, none empty. Throws UsageError.
std::vector<std::string> split_list(std::string_view option, std::string_view text);

/// An option: the one place that knows its help, how its value is read, and what records and
/// tables tell of it.
struct OptionDeclaration {
  std::string spellings = {};  ///< "-w,--num_workers,--num-workers"; the first long one is its name
  std::string type = {};       ///< what stands for its value in --help; empty: it is a flag
  std::string help = {};
  std::string usual = {};  ///< the value that it has unless told otherwise; empty: none
  /// Puts a value, or one of a list's, into a configuration. Throws UsageError, which names the
  /// option. Null for what is no part of a configuration.
  std::function<void(Config&, std::string_view option, std::string_view text)> read = {};
  std::vector<Field> fields = {};
  std::string column = {};  ///< its title in tables
  int varies = 0;  ///< over 0: it takes a list, which varies faster than those of smaller numbers
  std::string group = {};  ///< its heading in --help; empty: it is not there

  std::string name() const;
};

/// In the order of --help; no locale changes what they read.
const std::vector<OptionDeclaration>& option_declarations();

/// Those that take lists, the last of which varies fastest.
std::vector<const OptionDeclaration*> list_options();

}  // namespace convscale
