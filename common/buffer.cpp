// SPDX-License-Identifier: Apache-2.0
#include "common/buffer.hpp"

#include "common/error.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace convscale {

PageBuffer::PageBuffer(std::int64_t bytes, const char* purpose) : bytes_(bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const auto size = static_cast<std::size_t>(bytes);
  const std::size_t slack = size >= kHugePage ? kHugePage : 0;  // to start on a huge page
  mapped_bytes_ = (size > 0 ? size : 1) + slack;
  void* mapping = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    throw ResourceError(fmt::format("cannot get {} bytes for the {}: {}; a smaller --mem would do",
                                    bytes, purpose, std::strerror(errno)));
  }
  mapping_ = mapping;
  data_ = static_cast<std::byte*>(mapping);
  if (slack > 0) {
    data_ += kHugePage - reinterpret_cast<std::uintptr_t>(mapping) % kHugePage;
    // Advice only: without transparent huge pages it fails and nothing is lost.
    madvise(data_, size, MADV_HUGEPAGE);
  }
}

PageBuffer::~PageBuffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_bytes_);
}

PageBuffer::PageBuffer(PageBuffer&& other) noexcept { *this = std::move(other); }

PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

std::int64_t page_bytes() { return sysconf(_SC_PAGESIZE); }

}  // namespace convscale
