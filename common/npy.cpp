// SPDX-License-Identifier: Apache-2.0
#include "common/npy.hpp"

#include "common/buffer.hpp"
#include "common/digest.hpp"
#include "common/error.hpp"
#include "common/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

std::int64_t bytes_of(NpyType type) {
  switch (type) {
    case NpyType::kFloat64:
      return 8;
    case NpyType::kFloat32:
      return 4;
    case NpyType::kUint16:
      return 2;
    case NpyType::kUint8:
      break;
  }
  return 1;
}

/// The text behind "'key':" in the header's dictionary, without leading blanks.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& path) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) reject(path, fmt::format("its .npy header has no '{}'", key));
  std::string_view value = header.substr(at + key.size() + 3);
  const std::size_t start = value.find_first_not_of(' ');
  return start == std::string_view::npos ? std::string_view() : value.substr(start);
}

NpyType parse_type(std::string_view value, const std::string& path) {
  static constexpr struct {
    std::string_view descr;
    NpyType type;
  } kTypes[] = {{"'<f8'", NpyType::kFloat64},
                {"'<f4'", NpyType::kFloat32},
                {"'|u1'", NpyType::kUint8},
                {"'<u2'", NpyType::kUint16}};
  for (const auto& candidate : kTypes) {
    if (value.starts_with(candidate.descr)) return candidate.type;
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

/// A NaN of a file is not to be mistaken for the results' poison.
template <class T>
T canonical(T value) {
  return value != value ? std::numeric_limits<T>::quiet_NaN() : value;
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& path) {
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

NpyStack::NpyStack(const std::filesystem::path& path) : path_(path.string()) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO is rejected below
  if (fd < 0) reject(path_, fmt::format("cannot be opened: {}", std::strerror(errno)));
  struct stat status {};
  fstat(fd, &status);
  void* mapping = MAP_FAILED;
  if (S_ISREG(status.st_mode) && status.st_size > 0) {
    mapped_bytes_ = static_cast<std::size_t>(status.st_size);
    mapping = mmap(nullptr, mapped_bytes_, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  close(fd);
  if (!S_ISREG(status.st_mode)) reject(path_, "is no regular file");
  if (mapping == MAP_FAILED) reject(path_, status.st_size == 0 ? "is empty" : "cannot be read");
  mapping_ = static_cast<std::byte*>(mapping);
  try {
    header_ = parse_npy_header({mapping_, mapped_bytes_}, path_);
    const auto& shape = header_.shape;
    if (shape.size() != 2 && shape.size() != 3) {
      reject(path_,
             fmt::format("has shape ({}), which is {}-D", fmt::join(shape, ", "), shape.size()));
    }
    std::int64_t bytes = bytes_of(header_.type);
    for (const std::int64_t size : shape) {
      if (size == 0)
        reject(path_, fmt::format("has shape ({}), which is empty", fmt::join(shape, ", ")));
      if (__builtin_mul_overflow(bytes, size, &bytes))
        reject(path_, "has a shape that no file can hold");
    }
    const auto present = static_cast<std::int64_t>(mapped_bytes_ - header_.data_offset);
    if (present < bytes) {
      reject(path_, fmt::format("is truncated: its header promises {} bytes of data, {} are there",
                                bytes, present));
    }
    count_ = shape.size() == 3 ? shape[0] : 1;
    height_ = shape[shape.size() - 2];
    width_ = shape.back();
  } catch (...) {
    munmap(mapping_, mapped_bytes_);
    throw;
  }
}

std::uint64_t NpyStack::fingerprint() const {
  constexpr std::size_t kSamples = 4096, kSampleBytes = 64;
  std::uint64_t print = mix64(mapped_bytes_);
  const std::size_t step = std::max(kSampleBytes, mapped_bytes_ / kSamples);
  for (std::size_t begin = 0; begin < mapped_bytes_; begin += step) {
    const std::size_t bytes = std::min(kSampleBytes, mapped_bytes_ - begin);
    for (std::size_t i = begin; i < begin + bytes; ++i)
      print = mix64(print ^ static_cast<std::uint64_t>(mapping_[i]));
  }
  // The system maps pages around those that are touched.
  forget(0, static_cast<std::int64_t>(mapped_bytes_ - header_.data_offset));
  return print;
}

NpyStack::~NpyStack() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_bytes_);
}

NpyStack::NpyStack(NpyStack&& other) noexcept
    : path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      count_(other.count_),
      height_(other.height_),
      width_(other.width_),
      mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_bytes_(other.mapped_bytes_) {}

template <class T, class Stored>
void NpyStack::read_as(std::int64_t index, T* out) const {
  const std::byte* data = mapping_ + header_.data_offset;
  const auto stored =
      [data](
          std::int64_t element) {  // the data starts at a multiple of 64 in a well-made file only
        Stored value;
        std::memcpy(&value, data + element * static_cast<std::int64_t>(sizeof(Stored)),
                    sizeof(Stored));
        return canonical(static_cast<T>(value));
      };
  if (!header_.fortran_order) {
    for (std::int64_t i = 0; i < height_ * width_; ++i)
      out[i] = stored(index * height_ * width_ + i);
    const std::int64_t bytes = height_ * width_ * static_cast<std::int64_t>(sizeof(Stored));
    forget(index * bytes, (index + 1) * bytes);
    return;
  }
  // Every page of the file holds pixels of every image, so the pages go as soon as they were read.
  constexpr std::int64_t kWindow = std::int64_t{4} << 20;
  const std::int64_t column_bytes = count_ * height_ * static_cast<std::int64_t>(sizeof(Stored));
  std::int64_t kept_from = 0;
  for (std::int64_t x = 0; x < width_; ++x) {
    for (std::int64_t y = 0; y < height_; ++y) {
      out[y * width_ + x] = stored(index + count_ * (y + height_ * x));
    }
    const std::int64_t read_to = (x + 1) * column_bytes;
    if (read_to - kept_from < kWindow && x + 1 < width_) continue;
    forget(kept_from, read_to);
    kept_from = read_to;
  }
}

template <class T>
void NpyStack::read(std::int64_t index, T* out) const {
  switch (header_.type) {
    case NpyType::kFloat64:
      return read_as<T, double>(index, out);
    case NpyType::kFloat32:
      return read_as<T, float>(index, out);
    case NpyType::kUint8:
      return read_as<T, std::uint8_t>(index, out);
    case NpyType::kUint16:
      return read_as<T, std::uint16_t>(index, out);
  }
}

template void NpyStack::read(std::int64_t, double*) const;
template void NpyStack::read(std::int64_t, float*) const;

/// Gives back the pages of bytes begin..end of the data, so that reading a file does not hold it in
/// memory beside its converted copy.
void NpyStack::forget(std::int64_t begin, std::int64_t end) const {
  const std::int64_t page = page_bytes(), offset = static_cast<std::int64_t>(header_.data_offset);
  const std::int64_t first = (offset + begin) / page * page;
  const std::int64_t last = (offset + end) / page * page;
  if (first < last)
    madvise(mapping_ + first, static_cast<std::size_t>(last - first), MADV_DONTNEED);
}

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

void write_npy(OutputFile& file, Dtype dtype, std::span<const std::int64_t> shape,
               std::span<const std::byte> data) {
  file.write(npy_header(dtype, shape));
  file.write(data);
}

}  // namespace convscale
