// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace convscale {

/// A file that appears whole or not at all. The constructor already proves that it can be written:
/// it opens a temporary file beside the target, which `commit` renames over it and the destructor
/// removes otherwise. What is no regular file (a device, a pipe) is opened and written in place.
/// Every failure is a ResourceError that names the target.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& target);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view text);
  void write(std::span<const std::byte> bytes);
  /// Closes the file and gives it its name.
  void commit();

 private:
  [[noreturn]] void fail(int error_number) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty when written in place
  int fd_ = -1;
};

}  // namespace convscale
