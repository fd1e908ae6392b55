// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/npy.hpp"
#include "common/config.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace convscale {

/// The command line, checked.
struct Options {
  std::optional<std::string> answer;  ///< of --help: print it and do nothing else
  bool list = false;
  bool version = false;

  std::vector<Config> configs;  ///< the product of the lists, in the order of the table; not empty
  std::shared_ptr<const NpyStack> images;  ///< null: generated
  std::shared_ptr<const NpyStack> filters;
  std::optional<std::filesystem::path> save;  ///< a folder

  std::string json, csv, md;  ///< a file, or "-"; empty: not asked for
  bool interleave = false;
  bool iteration_lines = false;  ///< print the time of each
  bool quiet = false;
  bool progress = true;
};

/// Whether `args` ask for --help, --version or --list, which are answered whatever stands beside
/// them.
bool is_question(const std::vector<std::string>& args);

/// Reads `args` (args[0] is the program's name) and opens the input files. Throws UsageError.
Options parse_options(const std::vector<std::string>& args);

}  // namespace convscale
