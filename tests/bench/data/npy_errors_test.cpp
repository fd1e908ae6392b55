// SPDX-License-Identifier: Apache-2.0
#include "bench/data/npy.hpp"
#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;

/// A file of version 1 with this dictionary and so many bytes of data.
std::string npy(const std::string& dictionary, std::size_t data_bytes) {
  std::string bytes = "\x93NUMPY\x01";
  bytes += '\0';
  const std::string header = dictionary + " \n";
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + std::string(data_bytes, '\0');
}

std::string with_type(const std::string& descr) {
  return npy("{'descr': " + descr + ", 'fortran_order': False, 'shape': (2, 3), }", 1000);
}

std::string with_shape(const std::string& shape, std::size_t data_bytes = 1000) {
  return npy("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }", data_bytes);
}

/// The message of the UsageError that reading `path` throws: one line that names the path.
std::string failure_of_path(const fs::path& path) {
  try {
    const NpyStack stack(path);
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(path.string()), Not(HasSubstr("\n")),
                                    Not(HasSubstr("; ;")), HasSubstr("give")));
    return error.what();
  }
  ADD_FAILURE() << "no error for " << path;
  return "";
}

std::string failure(const std::string& bytes) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "bad.npy", std::ios::binary) << bytes;
  return failure_of_path(folder / "bad.npy");
}

TEST(NpyErrors, WhatIsNoFile) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(failure_of_path(folder / "missing.npy"), HasSubstr("No such file"));
  EXPECT_THAT(failure_of_path(folder.path()), HasSubstr("no regular file"));
  EXPECT_THAT(failure_of_path(folder / "missing/in.npy"), HasSubstr("No such file"));
}

TEST(NpyErrors, TruncatedAnywhere) {
  const std::string whole = with_shape("(2, 3)", 48);
  for (std::size_t length = 1; length < whole.size(); ++length) {
    const std::string message = failure(whole.substr(0, length));
    if (length >= 12 && length < whole.size() - 48) {
      EXPECT_THAT(message, HasSubstr("truncated within its header")) << length;
    } else if (length >= 12) {
      EXPECT_THAT(message, HasSubstr("promises 48 bytes")) << length;
    }
  }
  // Headers of versions 2 and 3 that promise 4 GiB.
  for (const char version : {'\2', '\3'}) {
    std::string bytes = whole;
    bytes[6] = version;
    bytes.replace(8, 4, "\xff\xff\xff\xff");
    EXPECT_THAT(failure(bytes), HasSubstr("truncated within its header"));
  }
}

TEST(NpyErrors, FilesThatAreChangedSinceTheyWereOpened) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "images.npy";
  std::ofstream(path, std::ios::binary) << with_shape("(5, 3, 4)", 480);
  const NpyStack stack(path);
  std::vector<double> item(12);
  EXPECT_NO_THROW(stack.require_unchanged());
  EXPECT_NO_THROW(stack.read(4, item.data()));
  fs::resize_file(path, fs::file_size(path) - 1);
  EXPECT_NO_THROW(stack.read(3, item.data())) << "is there";
  for (const std::string& message :
       {message_of<ResourceError>([&] { stack.read(4, item.data()); }),
        message_of<ResourceError>([&] { stack.fingerprint(); }),
        message_of<ResourceError>([&] { stack.require_unchanged(); })}) {
    EXPECT_THAT(message, AllOf(HasSubstr(path.string()), HasSubstr("was changed")));
  }
  std::ofstream(path, std::ios::binary) << with_shape("(5, 3, 4)", 480);
  fs::last_write_time(path, {});
  EXPECT_NO_THROW(stack.read(4, item.data()));
  EXPECT_THAT(message_of<ResourceError>([&] { stack.require_unchanged(); }),
              HasSubstr("was changed"));
}

std::string with_version(char version) {
  std::string bytes = with_shape("(2, 3)");
  bytes[6] = version;
  return bytes;
}

// Each message is one line, whatever the file says (failure_of_path checks it).
TEST(NpyErrors, WhatIsNoStackOfImages) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"},
      {"P5 640 480 255 and so on", "no .npy"},
      {"\x93NUM", "no .npy"},
      {"\x93NUMPY\x01", "no .npy"},
      {"PK\x03\x04 is what a .npz starts with", "no .npy"},
      {with_version(4), "version 4"},
      {with_version(0), "version 0"},
      {with_shape("()"), "0-D"},
      {with_shape("(6,)"), "(6), which is 1-D"},
      {with_shape("(1, 1, 2, 3)"), "(1, 1, 2, 3), which is 4-D"},
      {with_shape("(0, 3)"), "empty"},
      {with_shape("(2, 0, 3)"), "empty"},
      {with_shape("(2, 3, 0)"), "empty"},
      {with_shape("(-2, -3)"), "shape"},
      {with_shape("(4294967296, 4294967296)"), "shape"},
      {with_shape("(2, 1152921504606846976)"), "shape"},
      {with_shape("(2, 99999999999999999999)"), "shape"},
      {with_shape("(2, x)"), "shape"},
      {with_shape("(2,\n x)"), "shape"},
      {with_shape("(2, 3"), "shape"},
      {with_shape("[2, 3]"), "shape"},
      {with_shape("(1000, 1000)"), "promises 8000000 bytes"},
      {with_type("'|O'"), "'|O'"},
      {with_type("'<i8'"), "'<i8'"},
      {with_type("'<c16'"), "'<c16'"},
      {with_type("'<f2'"), "'<f2'"},
      {with_type("'>f8'"), "'>f8'"},
      {with_type("'>u2'"), "'>u2'"},
      {with_type("'|b1'"), "'|b1'"},
      {with_type("[('r', '<f4'), ('g', '<f4')]"), "('g', '<f4')]"},
      {with_type("None"), "type"},
      {with_type("'<f8"), "type"},
      {with_type("'a\nb'"), "type"},
      {npy("{'fortran_order': False, 'shape': (2, 3), }", 48), "'descr'"},
      {npy("{'descr': '<f8', 'shape': (2, 3), }", 48), "'fortran_order'"},
      {npy("{'descr': '<f8', 'fortran_order': False, }", 48), "'shape'"},
      {npy("", 48), "'descr'"},
  };
  for (const auto& [bytes, part] : cases) EXPECT_THAT(failure(bytes), HasSubstr(part));
}

}  // namespace
}  // namespace convscale
