// SPDX-License-Identifier: Apache-2.0
#include "bench/data/npy.hpp"

#include "common/digest.hpp"
#include "common/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

namespace convscale {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::string_view kAccepted =
    "give a little-endian .npy file of float32, float64, uint8 or uint16 in 2 or 3 dimensions";

/// `problem` may quote the file, which may hold anything: it is kept short and on one line.
[[noreturn]] void reject(const std::string& path, std::string problem) {
  constexpr std::size_t kLongest = 120;
  std::replace_if(
      problem.begin(), problem.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  if (problem.size() > kLongest) problem = problem.substr(0, kLongest) + "...";
  throw UsageError(fmt::format("{}: {}; {}", path, problem, kAccepted));
}

/// In the order of NpyType.
constexpr struct {
  std::string_view descr;
  std::int64_t bytes;
} kTypes[] = {{"'<f4'", 4}, {"'<f8'", 8}, {"'|u1'", 1}, {"'<u2'", 2}};

std::int64_t bytes_of(NpyType type) { return kTypes[static_cast<std::size_t>(type)].bytes; }

/// The text behind "'key':" in the header's dictionary, without leading blanks.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& path) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) reject(path, fmt::format("its .npy header has no '{}'", key));
  std::string_view value = header.substr(at + key.size() + 3);
  const std::size_t start = value.find_first_not_of(' ');
  return start == std::string_view::npos ? std::string_view() : value.substr(start);
}

NpyType parse_type(std::string_view value, const std::string& path) {
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    if (value.starts_with(kTypes[i].descr)) return static_cast<NpyType>(i);
  }
  // A structured type is a list; a plain one ends with its closing quote.
  const std::size_t end = value.starts_with('\'') ? value.find('\'', 1) : value.find(']');
  reject(path, fmt::format("its elements are of type {}",
                           value.substr(0, end == std::string_view::npos ? end : end + 1)));
}

std::vector<std::int64_t> parse_shape(std::string_view value, const std::string& path) {
  const std::size_t close = value.find(')');
  if (!value.starts_with('(') || close == std::string_view::npos)
    reject(path, "its .npy header has no shape");
  std::vector<std::int64_t> shape;
  std::string_view rest = value.substr(1, close - 1);
  while (true) {
    const std::size_t digit = rest.find_first_not_of(" ,");
    if (digit == std::string_view::npos) return shape;
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(rest.data() + digit, rest.data() + rest.size(), size);
    if (error != std::errc() || size < 0)
      reject(path, fmt::format("its shape is ({})", value.substr(1, close - 1)));
    shape.push_back(size);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
}

/// Reads the header from the first bytes of a file.
NpyHeader parse_header(std::span<const std::byte> bytes, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < 12) reject(path, "is no .npy file");
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(text[i]));
  };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3)
    reject(path, fmt::format("is a .npy file of version {}, not 1 to 3", version));
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (text.size() < start + length) reject(path, "is truncated within its header");
  const std::string_view header = text.substr(start, length);

  NpyHeader result;
  result.data_offset = start + length;
  result.type = parse_type(value_of(header, "descr", path), path);
  result.fortran_order = value_of(header, "fortran_order", path).starts_with("True");
  result.shape = parse_shape(value_of(header, "shape", path), path);
  return result;
}

/// A NaN of a file is not to be mistaken for the results' poison.
template <class T>
T canonical(T value) {
  return value != value ? std::numeric_limits<T>::quiet_NaN() : value;
}

}  // namespace

NpyStack::NpyStack(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

NpyStack::NpyStack(const std::filesystem::path& path)
    // A FIFO, which would wait for a writer, is rejected below.
    : NpyStack(path.string(), open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (fd_ < 0) reject(path_, fmt::format("cannot be opened: {}", std::strerror(errno)));
  read_header();  // the other constructor is done: the destructor closes the file if this throws
}

void NpyStack::read_header() {
  struct stat status {};
  fstat(fd_, &status);
  if (!S_ISREG(status.st_mode)) reject(path_, "is no regular file");
  if (status.st_size == 0) reject(path_, "is empty");
  bytes_ = status.st_size;
  modified_ = status.st_mtim;
  constexpr std::int64_t kLongestHeader = std::int64_t{1} << 20;
  std::vector<std::byte> begin(static_cast<std::size_t>(std::min(bytes_, kLongestHeader)));
  read_bytes(0, begin);
  header_ = parse_header(begin, path_);
  auto& shape = header_.shape;
  const std::string sizes = fmt::format("({})", fmt::join(shape, ", "));
  if (shape.size() != 2 && shape.size() != 3)
    reject(path_, fmt::format("has shape {}, which is {}-D", sizes, shape.size()));
  std::int64_t bytes = bytes_of(header_.type);
  for (const std::int64_t size : shape) {
    if (size == 0) reject(path_, fmt::format("has shape {}, which is empty", sizes));
    if (__builtin_mul_overflow(bytes, size, &bytes))
      reject(path_, "has a shape that no file can hold");
  }
  const std::int64_t present = bytes_ - static_cast<std::int64_t>(header_.data_offset);
  if (present < bytes) {
    reject(path_, fmt::format("is truncated: its header promises {} bytes of data, {} are there",
                              bytes, present));
  }
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
}

NpyStack::~NpyStack() {
  if (fd_ >= 0) close(fd_);
}

void NpyStack::read_bytes(std::int64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = pread(fd_, bytes.data(), bytes.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw ResourceError(
          fmt::format("{}: cannot be read at byte {}: {}", path_, offset, std::strerror(errno)));
    }
    if (got == 0) fail_as_changed(fmt::format("ends at byte {} of {}", offset, bytes_));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += got;
  }
}

void NpyStack::fail_as_changed(const std::string& how) const {
  throw ResourceError(fmt::format(
      "{}: {}: it was changed since the run began; give a file that nobody writes to", path_, how));
}

void NpyStack::require_unchanged() const {
  struct stat status {};
  fstat(fd_, &status);
  if (status.st_size != bytes_ || status.st_mtim.tv_sec != modified_.tv_sec ||
      status.st_mtim.tv_nsec != modified_.tv_nsec) {
    fail_as_changed("has another size or time of modification");
  }
}

std::uint64_t NpyStack::fingerprint() const {
  constexpr std::int64_t kSamples = 4096, kSampleBytes = 64;
  std::uint64_t print = mix64(static_cast<std::uint64_t>(bytes_));
  const std::int64_t step = std::max(kSampleBytes, bytes_ / kSamples);
  std::array<std::byte, kSampleBytes> sample{};
  for (std::int64_t begin = 0; begin < bytes_; begin += step) {
    const std::span part(sample.data(),
                         static_cast<std::size_t>(std::min(kSampleBytes, bytes_ - begin)));
    read_bytes(begin, part);
    for (const std::byte byte : part) print = mix64(print ^ static_cast<std::uint64_t>(byte));
  }
  return print;
}

std::int64_t NpyStack::rows_at_once() const {
  constexpr std::int64_t kElements = std::int64_t{1} << 16, kPage = 4096;
  std::int64_t rows = kElements / width();
  if (header_.fortran_order) rows = std::max(rows, kPage / (count() * bytes_of(header_.type)));
  return std::clamp<std::int64_t>(rows, 1, height());
}

template <class T, class Stored>
void NpyStack::read_as(std::int64_t index, std::int64_t row_begin, std::int64_t row_end,
                       T* out) const {
  constexpr std::int64_t kWindow = std::int64_t{1} << 17;  // elements
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Stored));
  std::vector<Stored> window;
  // Calls `take(i, element i)` for `count` elements of the file from `first` on.
  const auto for_each = [&](std::int64_t first, std::int64_t count, auto&& take) {
    for (std::int64_t done = 0; done < count;) {
      window.resize(static_cast<std::size_t>(std::min(kWindow, count - done)));
      read_bytes(static_cast<std::int64_t>(header_.data_offset) + (first + done) * kBytes,
                 std::as_writable_bytes(std::span(window)));
      for (const Stored value : window) take(done++, canonical(static_cast<T>(value)));
    }
  };
  if (!header_.fortran_order) {
    for_each((index * height() + row_begin) * width(), (row_end - row_begin) * width(),
             [&](std::int64_t i, T value) { out[i] = value; });
    return;
  }
  // The pixels of one place in all items stand side by side, then those of the row below.
  for (std::int64_t x = 0; x < width(); ++x) {
    for_each(count() * (row_begin + height() * x), count() * (row_end - row_begin),
             [&](std::int64_t i, T value) {
               if (i % count() == index) out[i / count() * width() + x] = value;
             });
  }
}

template <class T>
void NpyStack::read_rows(std::int64_t index, std::int64_t row_begin, std::int64_t row_end,
                         T* out) const {
  switch (header_.type) {
    case NpyType::kFloat64:
      return read_as<T, double>(index, row_begin, row_end, out);
    case NpyType::kFloat32:
      return read_as<T, float>(index, row_begin, row_end, out);
    case NpyType::kUint8:
      return read_as<T, std::uint8_t>(index, row_begin, row_end, out);
    case NpyType::kUint16:
      return read_as<T, std::uint16_t>(index, row_begin, row_end, out);
  }
}

template void NpyStack::read_rows(std::int64_t, std::int64_t, std::int64_t, double*) const;
template void NpyStack::read_rows(std::int64_t, std::int64_t, std::int64_t, float*) const;

std::string npy_header(Dtype dtype, std::span<const std::int64_t> shape) {
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}",
                  dtype == Dtype::kFloat64 ? "<f8" : "<f4", fmt::join(shape, ", "));
  constexpr std::size_t kPrefix = 10, kAlign = 64;
  header.append((kAlign - (kPrefix + header.size() + 1) % kAlign) % kAlign, ' ');
  header += '\n';
  std::string prefix(kMagic);
  prefix +=
      {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return prefix + header;
}

}  // namespace convscale
