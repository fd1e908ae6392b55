// SPDX-License-Identifier: Apache-2.0
#include "bench/data/npy.hpp"
#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
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

TEST(NpyErrors, WhatIsNoNpy) {
  EXPECT_THAT(failure(""), HasSubstr("is empty"));
  EXPECT_THAT(failure("P5 640 480 255 and so on"), HasSubstr("no .npy"));
  EXPECT_THAT(failure("\x93NUM"), HasSubstr("no .npy"));
  EXPECT_THAT(failure("\x93NUMPY\x01"), HasSubstr("no .npy"));
  EXPECT_THAT(failure("PK\x03\x04 is what a .npz starts with"), HasSubstr("no .npy"));
}

TEST(NpyErrors, OtherVersions) {
  std::string bytes = with_shape("(2, 3)");
  bytes[6] = 4;
  EXPECT_THAT(failure(bytes), HasSubstr("version 4"));
  bytes[6] = 0;
  EXPECT_THAT(failure(bytes), HasSubstr("version 0"));
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

/// The message of the ResourceError that `read` throws.
template <class Read>
std::string failure_of(Read&& read) {
  try {
    read();
  } catch (const ResourceError& error) {
    return error.what();
  }
  return "no error";
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
       {failure_of([&] { stack.read(4, item.data()); }), failure_of([&] { stack.fingerprint(); }),
        failure_of([&] { stack.require_unchanged(); })}) {
    EXPECT_THAT(message, AllOf(HasSubstr(path.string()), HasSubstr("was changed")));
  }
  std::ofstream(path, std::ios::binary) << with_shape("(5, 3, 4)", 480);
  fs::last_write_time(path, {});
  EXPECT_NO_THROW(stack.read(4, item.data()));
  EXPECT_THAT(failure_of([&] { stack.require_unchanged(); }), HasSubstr("was changed"));
}

TEST(NpyErrors, OtherNumbersOfDimensions) {
  EXPECT_THAT(failure(with_shape("()")), HasSubstr("0-D"));
  EXPECT_THAT(failure(with_shape("(6,)")), AllOf(HasSubstr("(6)"), HasSubstr("1-D")));
  EXPECT_THAT(failure(with_shape("(1, 1, 2, 3)")),
              AllOf(HasSubstr("(1, 1, 2, 3)"), HasSubstr("4-D")));
}

TEST(NpyErrors, EmptyAndImpossibleShapes) {
  EXPECT_THAT(failure(with_shape("(0, 3)")), HasSubstr("empty"));
  EXPECT_THAT(failure(with_shape("(2, 0, 3)")), HasSubstr("empty"));
  EXPECT_THAT(failure(with_shape("(2, 3, 0)")), HasSubstr("empty"));
  EXPECT_THAT(failure(with_shape("(-2, -3)")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("(4294967296, 4294967296)")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("(2, 1152921504606846976)")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("(2, 99999999999999999999)")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("(2, x)")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("(2, 3")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("[2, 3]")), HasSubstr("shape"));
  EXPECT_THAT(failure(with_shape("(1000, 1000)")), HasSubstr("promises 8000000 bytes"));
}

TEST(NpyErrors, OtherTypes) {
  EXPECT_THAT(failure(with_type("'|O'")), HasSubstr("'|O'"));
  EXPECT_THAT(failure(with_type("'<i8'")), HasSubstr("'<i8'"));
  EXPECT_THAT(failure(with_type("'<c16'")), HasSubstr("'<c16'"));
  EXPECT_THAT(failure(with_type("'<f2'")), HasSubstr("'<f2'"));
  EXPECT_THAT(failure(with_type("'>f8'")), HasSubstr("'>f8'"));
  EXPECT_THAT(failure(with_type("'>u2'")), HasSubstr("'>u2'"));
  EXPECT_THAT(failure(with_type("'|b1'")), HasSubstr("'|b1'"));
  EXPECT_THAT(failure(with_type("[('r', '<f4'), ('g', '<f4')]")), HasSubstr("('g', '<f4')]"));
}

TEST(NpyErrors, MissingKeys) {
  EXPECT_THAT(failure(npy("{'fortran_order': False, 'shape': (2, 3), }", 48)),
              HasSubstr("'descr'"));
  EXPECT_THAT(failure(npy("{'descr': '<f8', 'shape': (2, 3), }", 48)),
              HasSubstr("'fortran_order'"));
  EXPECT_THAT(failure(npy("{'descr': '<f8', 'fortran_order': False, }", 48)), HasSubstr("'shape'"));
  EXPECT_THAT(failure(npy("", 48)), HasSubstr("'descr'"));
}

// A message is one line, whatever the file says (failure_of_path checks it).
TEST(NpyErrors, MalformedHeadersStillMakeOneLine) {
  EXPECT_THAT(failure(with_type("None")), HasSubstr("type"));
  EXPECT_THAT(failure(with_type("'<f8")), HasSubstr("type"));
  EXPECT_THAT(failure(with_type("'a\nb'")), HasSubstr("type"));
  EXPECT_THAT(failure(with_shape("(2,\n x)")), HasSubstr("shape"));
}

}  // namespace
}  // namespace convscale
