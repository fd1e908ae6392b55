// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

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

/// Declares all options; parsing with `app` fills `text`.
void declare(CLI::App& app, OptionText& text);

/// The option that was most likely meant by `typed`; empty if none is near.
std::string closest_option(const CLI::App& app, const std::string& typed);

}  // namespace convscale
