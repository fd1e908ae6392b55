// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/shape.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>

namespace convscale::testing {

/// A folder of the test's own, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "convscale-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// "2 images of 7x9, filters of 1x4, stride 5, mode same"
inline std::string text_of(const Shape& s) {
  return std::to_string(s.images) + " images of " + std::to_string(s.height) + "x" +
         std::to_string(s.width) + ", filters of " + std::to_string(s.filter_size.height) + "x" +
         std::to_string(s.filter_size.width) + ", stride " + std::to_string(s.stride) + ", mode " +
         std::string(name_of(s.mode));
}

/// Where the tests' data files lie: CONVSCALE_TEST_DATA, for executables that were taken to another
/// machine, or the folder of their sources.
inline std::filesystem::path test_data() {
  const char* given = std::getenv("CONVSCALE_TEST_DATA");
  return given != nullptr ? given : CONVSCALE_TEST_DATA;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What the E says that `action` throws.
template <class E, class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// The seed of random tests: CONVSCALE_TEST_SEED, or a new one. It is printed, so that a failure
/// can be repeated.
inline std::uint64_t test_seed() {
  static const std::uint64_t kSeed = [] {
    const char* given = std::getenv("CONVSCALE_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }();
  ::testing::Test::RecordProperty("seed", std::to_string(kSeed));
  std::cout << "seed: CONVSCALE_TEST_SEED=" << kSeed << "\n";
  return kSeed;
}

}  // namespace convscale::testing
