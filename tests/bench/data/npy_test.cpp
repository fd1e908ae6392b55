// SPDX-License-Identifier: Apache-2.0
#include "bench/data/npy.hpp"

#include "bench/npy_file.hpp"
#include "common/digest.hpp"
#include "common/error.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// What NumPy writes in front of the data.
std::string npy_prefix(const std::string& dictionary, int version = 1) {
  std::string prefix = "\x93NUMPY";
  prefix += static_cast<char>(version);
  prefix += '\0';
  std::string header = dictionary;
  while ((prefix.size() + (version == 1 ? 2 : 4) + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  for (int byte = 0; byte < (version == 1 ? 2 : 4); ++byte)
    prefix += static_cast<char>(header.size() >> (8 * byte) & 0xff);
  return prefix + header;
}

std::string dictionary(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': " + descr + ", 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }";
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

fs::path put(const testing::TemporaryFolder& folder, const std::string& bytes) {
  fs::path path = folder / "in.npy";
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

template <class T>
std::vector<T> item(const NpyStack& stack, std::int64_t index) {
  std::vector<T> values(static_cast<std::size_t>(stack.height() * stack.width()));
  stack.read(index, values.data());
  return values;
}

template <class Stored>
void expect_stack_of(const char* descr, NpyType type) {
  const testing::TemporaryFolder folder;
  const auto most = static_cast<Stored>(std::is_same_v<Stored, std::uint8_t> ? 255 : 65535);
  const std::vector<Stored> values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, most};
  const NpyStack stack(put(folder, npy_prefix(dictionary(descr, "(2, 2, 3)")) + bytes_of(values)));
  EXPECT_EQ(stack.type(), type);
  EXPECT_EQ(stack.count(), 2);
  EXPECT_EQ(stack.height(), 2);
  EXPECT_EQ(stack.width(), 3);
  EXPECT_EQ(stack.path(), (folder / "in.npy").string());
  EXPECT_THAT(item<double>(stack, 0), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(item<double>(stack, 1), ElementsAre(6, 7, 8, 9, 10, most));
  EXPECT_THAT(item<float>(stack, 1), ElementsAre(6, 7, 8, 9, 10, most));
}

TEST(Npy, ReadsEveryAcceptedType) {
  expect_stack_of<double>("'<f8'", NpyType::kFloat64);
  expect_stack_of<float>("'<f4'", NpyType::kFloat32);
  expect_stack_of<std::uint8_t>("'|u1'", NpyType::kUint8);
  expect_stack_of<std::uint16_t>("'<u2'", NpyType::kUint16);
}

TEST(Npy, FingerprintTellsFilesApart) {
  const testing::TemporaryFolder folder;
  const auto fingerprint = [&](const std::string& shape, const std::vector<double>& values) {
    return NpyStack(put(folder, npy_prefix(dictionary("'<f8'", shape)) + bytes_of(values)))
        .fingerprint();
  };
  const auto first = fingerprint("(1, 2, 2)", {1, 2, 3, 4});
  EXPECT_EQ(fingerprint("(1, 2, 2)", {1, 2, 3, 4}), first);
  EXPECT_NE(fingerprint("(1, 2, 2)", {1, 2, 3, 5}), first);
  EXPECT_NE(fingerprint("(1, 1, 4)", {1, 2, 3, 4}), first);
  EXPECT_NE(fingerprint("(1, 2, 2)", {1, 2, 3, 4, 0}), first) << "longer than it says";
  // Of a file that is too large to be read whole.
  std::vector<double> many(1'000'000, 1);
  const auto large = fingerprint("(1, 1000, 1000)", many);
  std::fill(many.begin() + 500'000, many.end(), 2.0);
  EXPECT_NE(fingerprint("(1, 1000, 1000)", many), large);
}

TEST(Npy, ReadsHeaderVersions1To3) {
  const testing::TemporaryFolder folder;
  for (int version = 1; version <= 3; ++version) {
    const NpyStack stack(put(
        folder, npy_prefix(dictionary("'<f4'", "(1, 2)"), version) + bytes_of<float>({1.5F, -2})));
    EXPECT_THAT(item<float>(stack, 0), ElementsAre(1.5F, -2)) << version;
  }
}

TEST(Npy, HeaderLongerThanSixteenBits) {
  const testing::TemporaryFolder folder;
  const std::string padded = dictionary("'|u1'", "(1, 2)") + std::string(70'000, ' ');
  const NpyStack stack(put(folder, npy_prefix(padded, 2) + "\x05\x06"));
  EXPECT_THAT(item<double>(stack, 0), ElementsAre(5, 6));
}

TEST(Npy, FortranOrder) {
  const testing::TemporaryFolder folder;
  // Element (n, y, x) is 100 n + 10 y + x; the first index runs fastest.
  std::string data;
  for (int x = 0; x < 4; ++x) {
    for (int y = 0; y < 3; ++y) {
      for (int n = 0; n < 2; ++n) data += static_cast<char>(100 * n + 10 * y + x);
    }
  }
  const NpyStack stack(put(folder, npy_prefix(dictionary("'|u1'", "(2, 3, 4)", true)) + data));
  EXPECT_THAT(item<double>(stack, 0), ElementsAre(0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23));
  EXPECT_THAT(item<float>(stack, 1),
              ElementsAre(100, 101, 102, 103, 110, 111, 112, 113, 120, 121, 122, 123));

  const NpyStack flat(
      put(folder, npy_prefix(dictionary("'|u1'", "(2, 3)", true)) + "\1\2\3\4\5\6"));
  EXPECT_THAT(item<double>(flat, 0), ElementsAre(1, 3, 5, 2, 4, 6)) << "two dimensions, one image";
}

TEST(Npy, RowsAreThoseOfTheWholeItem) {
  const testing::TemporaryFolder folder;
  std::vector<double> values(3 * 4 * 5);
  std::iota(values.begin(), values.end(), 0.5);
  for (const bool fortran : {false, true}) {
    const NpyStack stack(
        put(folder, npy_prefix(dictionary("'<f8'", "(3, 4, 5)", fortran)) + bytes_of(values)));
    for (std::int64_t item = 0; item < 3; ++item) {
      std::vector<double> whole(20);
      stack.read(item, whole.data());
      for (std::int64_t begin = 0; begin < 4; ++begin) {
        for (std::int64_t end = begin + 1; end <= 4; ++end) {
          std::vector<double> rows(static_cast<std::size_t>(5 * (end - begin)));
          stack.read_rows(item, begin, end, rows.data());
          EXPECT_EQ(rows, std::vector<double>(whole.begin() + 5 * begin, whole.begin() + 5 * end));
        }
      }
    }
  }
}

TEST(Npy, OddDataOffsetAndOtherKeyOrder) {
  const testing::TemporaryFolder folder;
  const std::string header = "{'shape': (1,2), 'fortran_order': False, 'descr': '<f8'}";
  std::string bytes = "\x93NUMPY\x01";
  bytes += '\0';
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  const NpyStack stack(put(folder, bytes + header + bytes_of<double>({0.1, 0.2})));
  EXPECT_THAT(item<double>(stack, 0), ElementsAre(0.1, 0.2));
}

TEST(Npy, ItemsOfManyPagesAreReadInAnyOrderAndAgain) {
  const testing::TemporaryFolder folder;
  constexpr std::size_t kPixels = std::size_t{50} * 300;
  std::vector<float> values(3 * kPixels);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const NpyStack stack(
      put(folder, npy_prefix(dictionary("'<f4'", "(3, 50, 300)")) + bytes_of(values)));
  for (const std::int64_t index : {2, 0, 1, 0, 2}) {
    const auto first = values.begin() + index * static_cast<std::int64_t>(kPixels);
    EXPECT_EQ(item<float>(stack, index), std::vector<float>(first, first + kPixels)) << index;
  }
}

TEST(Npy, NansBecomeCanonicalSoThatNoneIsThePoison) {
  const testing::TemporaryFolder folder;
  const NpyStack wide(put(folder, npy_prefix(dictionary("'<f8'", "(1, 3)")) +
                                      bytes_of<double>({poison_value<double>(), 1, -NAN})));
  for (const std::int64_t i : {0, 2}) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(bits_of(item<double>(wide, 0)[at]),
              bits_of(std::numeric_limits<double>::quiet_NaN()));
    EXPECT_EQ(bits_of(item<float>(wide, 0)[at]), bits_of(std::numeric_limits<float>::quiet_NaN()));
  }
  const NpyStack narrow(put(folder, npy_prefix(dictionary("'<f4'", "(1, 1)")) +
                                        bytes_of<float>({poison_value<float>()})));
  EXPECT_EQ(bits_of(item<float>(narrow, 0)[0]), bits_of(std::numeric_limits<float>::quiet_NaN()));
}

template <class T>
void expect_round_trip(Dtype dtype) {
  const testing::TemporaryFolder folder;
  const std::vector<std::int64_t> shape{2, 3, 5};
  std::vector<T> values(30);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(0.1) * static_cast<T>(i);
  testing::write_npy(folder / "out.npy", shape, values);

  std::ifstream in(folder / "out.npy", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  const std::size_t length =
      static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ((10 + length) % 64, 0u);
  EXPECT_EQ(bytes.size(), 10 + length + sizeof(T) * values.size());
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\1\0", 8));
  EXPECT_EQ(bytes[9 + length], '\n');
  EXPECT_THAT(bytes.substr(10, length),
              HasSubstr(dtype == Dtype::kFloat64 ? "'descr': '<f8'" : "'descr': '<f4'"));

  const NpyStack stack(folder / "out.npy");
  EXPECT_EQ(stack.type(), dtype == Dtype::kFloat64 ? NpyType::kFloat64 : NpyType::kFloat32);
  EXPECT_EQ(stack.count(), 2);
  EXPECT_EQ(stack.height(), 3);
  EXPECT_EQ(stack.width(), 5);
  EXPECT_EQ(item<T>(stack, 0), std::vector<T>(values.begin(), values.begin() + 15));
  EXPECT_EQ(item<T>(stack, 1), std::vector<T>(values.begin() + 15, values.end()));
}

TEST(Npy, WrittenFilesAreReadBack) {
  expect_round_trip<double>(Dtype::kFloat64);
  expect_round_trip<float>(Dtype::kFloat32);
}

}  // namespace
}  // namespace convscale
