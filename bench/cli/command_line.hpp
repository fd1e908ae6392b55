// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace convscale {

/// What a command line says, as it was typed. Options are asked for by OptionDeclaration::name.
struct CommandLine {
  std::optional<std::string> help;  ///< asked for, and all that is to be printed
  std::map<std::string, std::string, std::less<>> texts;  ///< of all that take a value
  std::map<std::string, bool, std::less<>> flags;
  std::set<std::string, std::less<>> given;

  /// The value, or the usual one; empty if there is none.
  const std::string& text(std::string_view option) const { return texts.find(option)->second; }
  bool flag(std::string_view option) const { return flags.find(option)->second; }
  bool has(std::string_view option) const { return given.contains(option); }
};

/// `args` begins with the program's name. Throws UsageError for options that do not exist and for
/// those without their value.
CommandLine parse_command_line(const std::vector<std::string>& args);

}  // namespace convscale
