// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace convscale {

/// Zero-filled memory straight from the system: its pages get their place (NUMA node) only when
/// they are first touched. It asks for huge pages, as NumPy does for large arrays. Starts on a
/// page, or on a huge page if it is that large.
class PageBuffer {
 public:
  PageBuffer() = default;
  /// Throws ResourceError, naming `purpose`, if the system refuses.
  PageBuffer(std::int64_t bytes, const char* purpose);
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), static_cast<std::size_t>(bytes_) / sizeof(T)};
  }

 private:
  void* mapping_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

/// Bytes of a page; what first touch places at a time.
std::int64_t page_bytes();

}  // namespace convscale
