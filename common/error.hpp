// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace convscale {

/// The program's exit codes. Libraries throw; only `run_program` turns errors into codes.
enum class ExitCode : int {
  kOk = 0,
  kUsage = 2,
  kUnsupported = 3,
  kVerification = 4,
  kFailure = 5,
  kInterrupted = 130,
};

/// `text` on one line that leaves a terminal as it is: control characters become escapes such as
/// \n and \x1b.
inline std::string one_line(std::string_view text) {
  constexpr unsigned char kFirstPrintable = 0x20, kDelete = 0x7f;
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= kFirstPrintable && byte != kDelete) {
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else {
      constexpr const char* kDigits = "0123456789abcdef";
      line += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return line;
}

/// An error with an exit code. `what()` is one line: what, where, and what would work. It may quote
/// what a user gave.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message)
      : std::runtime_error(one_line(message)), code_(code) {}
  ExitCode code() const { return code_; }

  /// Of several ranks, all have thrown the same: none of them waits for another one.
  bool is_of_all_ranks() const { return of_all_ranks_; }
  void mark_of_all_ranks() { of_all_ranks_ = true; }

 private:
  ExitCode code_;
  bool of_all_ranks_ = false;
};

/// A bad option, value, combination or input file.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::kUsage, message) {}
};

/// A backend, kernel or device that this build or machine does not have.
class UnsupportedError : public Error {
 public:
  explicit UnsupportedError(const std::string& message) : Error(ExitCode::kUnsupported, message) {}
};

/// It cannot finish: memory, an output that cannot be written, a fault of a device or network.
class ResourceError : public Error {
 public:
  explicit ResourceError(const std::string& message) : Error(ExitCode::kFailure, message) {}
};

}  // namespace convscale
