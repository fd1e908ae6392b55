// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace convscale {

/// A file that appears whole or not at all. The constructor already proves that it can be written:
/// it opens a temporary file beside the target, which `commit` renames over it and the destructor
/// removes otherwise, or the next one of the same target where that could not be (SIGKILL). What is
/// no regular file (a device, a pipe, a descriptor such as /dev/stdout) is written in place.
/// Every failure is a ResourceError that names the target.
class OutputFile {
 public:
  /// Waits for the reader of a pipe, until `stop` says yes.
  explicit OutputFile(
      const std::filesystem::path& target,
      const std::function<bool()>& stop = [] { return false; });
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Opens what another process is writing, as its `partial` names it, to write a part of it.
  /// `commit` only closes it: the other gives it its name.
  static OutputFile join(const std::filesystem::path& partial, const std::filesystem::path& target);
  /// The name that it has until it is committed.
  std::filesystem::path partial() const { return temporary_.empty() ? target_ : temporary_; }

  void write(std::span<const std::byte> bytes) { put(bytes, std::nullopt); }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Writes `bytes` from byte `offset` on, and leaves alone where `write` goes on.
  void write_at(std::int64_t offset, std::span<const std::byte> bytes) { put(bytes, offset); }
  /// Closes the file and gives it its name.
  void commit();

 private:
  OutputFile() = default;
  void put(std::span<const std::byte> bytes, std::optional<std::int64_t> offset);
  void make_temporary();
  [[noreturn]] void fail(int error_number) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty when written in place
  int fd_ = -1;
};

/// Removes all that is not committed, of every OutputFile of this process: for one that ends
/// without their destructors. Async-signal-safe.
void remove_temporaries() noexcept;

/// The number of this process's open file that `target` names, as /dev/stdout and /dev/fd/3 do.
std::optional<int> own_descriptor(const std::filesystem::path& target);

}  // namespace convscale
