// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/cli/options.hpp"
#include "bench/data/output_file.hpp"
#include "bench/report/record.hpp"
#include "common/backend.hpp"

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale {

/// Everything that a run writes. The constructor opens all files, so that one that cannot be
/// written is found before the run.
class OutputSet {
 public:
  /// Throws ResourceError.
  OutputSet(const Options& options, std::ostream& out, std::ostream& err);

  /// Where the text goes: standard output, or standard error if a format took that.
  std::ostream& text() { return *text_; }

  /// The names that the arrays of `--save` have until they are whole; empty if not asked for.
  std::vector<std::string> partial_arrays() const;
  /// For a rank that writes parts of rank 0's arrays, which have these names. Throws ResourceError.
  void join_arrays(const std::filesystem::path& folder, const std::vector<std::string>& partial);
  /// Writes images `held` of images.npy, filters.npy and results.npy if they were asked for. Throws
  /// ResourceError, also once `stop` says yes.
  void save(const Config& config, Range held, const HostBuffers& buffers,
            const std::function<bool()>& stop);
  /// Gives the arrays their names, once all parts are written.
  void commit_arrays();
  /// Writes the formats that were asked for, and proves that standard output took all.
  void write(const Report& report);

 private:
  using Format = std::string (*)(const Report&);
  void open(const std::string& target, Format format);

  std::ostream& out_;
  std::ostream* text_;
  std::vector<std::pair<Format, std::optional<OutputFile>>> formats_;  // no file: standard output
  std::vector<OutputFile> arrays_;  // images, filters, results; empty if not asked for
};

}  // namespace convscale
