// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/buffer.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace convscale::testing {

/// Memory for arrays of up to `capacity` elements between two pages that nobody may touch, so that
/// a load or store past either end of an array is a segmentation fault, whatever instruction made
/// it.
template <class T>
class GuardedArray {
 public:
  enum class At { kBegin, kEnd };  ///< against which of the forbidden pages the array lies

  explicit GuardedArray(std::int64_t capacity) : capacity_(capacity) {
    const std::int64_t page = page_bytes();
    const std::int64_t bytes = capacity * static_cast<std::int64_t>(sizeof(T));
    usable_ = (bytes + page - 1) / page * page;
    mapped_ = static_cast<std::size_t>(usable_ + 2 * page);
    void* mapping = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::runtime_error("mmap failed");
    base_ = static_cast<std::byte*>(mapping);
    if (mprotect(base_ + page, static_cast<std::size_t>(usable_), PROT_READ | PROT_WRITE) != 0) {
      throw std::runtime_error("mprotect failed");
    }
  }
  ~GuardedArray() { munmap(base_, mapped_); }
  GuardedArray(const GuardedArray&) = delete;
  GuardedArray& operator=(const GuardedArray&) = delete;

  /// An array of `count` <= capacity elements that touches the page before or behind it.
  std::span<T> place(std::int64_t count, At at) const {
    if (count > capacity_) throw std::logic_error("GuardedArray is too small");
    std::byte* begin = base_ + page_bytes();
    if (at == At::kEnd) begin += usable_ - count * static_cast<std::int64_t>(sizeof(T));
    return {reinterpret_cast<T*>(begin), static_cast<std::size_t>(count)};
  }

 private:
  std::int64_t capacity_;
  std::int64_t usable_ = 0;
  std::size_t mapped_ = 0;
  std::byte* base_ = nullptr;
};

}  // namespace convscale::testing
