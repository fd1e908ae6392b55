// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace convscale {

/// The options as they were typed. Every value is read by values.hpp, so that all messages are of
/// one kind.
struct OptionText {
  std::string num_workers = "4", iterations = "10", burns = "2", size = "1000", mem = "33554432";
  std::string backend = "cpu", kernel = "auto", method = "full", scope = "end-to-end",
              dtype = "float64";
  std::string filter_size = "4", stride = "5", fill = "random", seed = "0";
  std::string schedule = "static", bind = "spread", host_memory = "pinned", devices = "0",
              distribute = "scatter";
  std::string images, filters, save, json, csv, md;
  std::string min_time, max_noise, timeout, work_time;
  bool interleave = false, iteration_lines = false, yes = false;
  bool no_verify = false, list = false, version = false, quiet = false, no_progress = false,
       dragon = false;
};

/// What a command line says.
struct CommandLine {
  OptionText text;
  std::optional<std::string> help;           ///< asked for, and all that is to be printed
  std::set<std::string, std::less<>> given;  ///< long names of the options that are there
  bool has(std::string_view option) const { return given.contains(option); }
};

/// `args` begins with the program's name. Throws UsageError for options that do not exist and for
/// those without their value.
CommandLine parse_command_line(const std::vector<std::string>& args);

}  // namespace convscale
