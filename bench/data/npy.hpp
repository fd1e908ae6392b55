// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace convscale {

/// Element types of a .npy file that can be read.
enum class NpyType { kFloat32, kFloat64, kUint8, kUint16 };

/// The header of a .npy file (NEP 1, format versions 1 to 3).
struct NpyHeader {
  NpyType type = NpyType::kFloat64;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  std::size_t data_offset = 0;
};

/// A stack (N, H, W), or one (H, W) read as (1, H, W), in a .npy file: opened, not loaded, and
/// converted row by row. float32, float64, uint8 or uint16, little-endian, C or Fortran order.
/// Reads may run in parallel. They are calls of `pread`, and no mapping: a file that shrinks or a
/// disk that fails is an error of ours, and no SIGBUS.
class NpyStack {
 public:
  /// Throws UsageError: missing, truncated, not numeric, empty, not 2-D or 3-D; ResourceError where
  /// it cannot be read.
  explicit NpyStack(const std::filesystem::path& path);
  ~NpyStack();
  NpyStack(const NpyStack&) = delete;
  NpyStack& operator=(const NpyStack&) = delete;

  std::int64_t count() const { return header_.shape[0]; }
  std::int64_t height() const { return header_.shape[1]; }
  std::int64_t width() const { return header_.shape[2]; }
  NpyType type() const { return header_.type; }
  const std::string& path() const { return path_; }
  /// Of its header, its length and samples of its data: files that differ in more than a few places
  /// have different ones. Throws ResourceError.
  std::uint64_t fingerprint() const;
  /// Throws ResourceError where somebody has written to the file since it was opened.
  void require_unchanged() const;

  /// Converts rows row_begin..row_end of item `index` to (row_end - row_begin, width), row-major.
  /// NaNs become the canonical quiet NaN. Throws ResourceError.
  template <class T>
  void read_rows(std::int64_t index, std::int64_t row_begin, std::int64_t row_end, T* out) const;
  /// All of item `index`.
  template <class T>
  void read(std::int64_t index, T* out) const {
    read_rows(index, 0, height(), out);
  }
  /// How many rows are well read in one call: little to wait for, and not too small pieces.
  std::int64_t rows_at_once() const;

 private:
  NpyStack(std::string path, int fd);
  void read_header();
  void read_bytes(std::int64_t offset, std::span<std::byte> bytes) const;
  [[noreturn]] void fail_as_changed(const std::string& how) const;
  template <class T, class Stored>
  void read_as(std::int64_t index, std::int64_t row_begin, std::int64_t row_end, T* out) const;

  std::string path_;
  int fd_ = -1;
  std::int64_t bytes_ = 0;  // and the time of its last change, when it was opened
  timespec modified_{};
  NpyHeader header_;  // its shape has all three sizes
};

/// What a file of a C-order array begins with; its elements follow.
std::string npy_header(Dtype dtype, std::span<const std::int64_t> shape);

}  // namespace convscale
