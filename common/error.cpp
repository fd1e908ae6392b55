// SPDX-License-Identifier: Apache-2.0
#include "common/error.hpp"

#include <fmt/format.h>

namespace convscale {

std::string one_line(std::string_view text) {
  constexpr unsigned char kFirstPrintable = 0x20, kDelete = 0x7f;
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (byte < kFirstPrintable || byte == kDelete) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

}  // namespace convscale
