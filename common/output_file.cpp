// SPDX-License-Identifier: Apache-2.0
#include "common/output_file.hpp"

#include "common/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace convscale {

namespace fs = std::filesystem;

namespace {

/// What `path` leads to, link by link; the last need not exist.
fs::path follow_links(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(path, error); ++i) {
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  return path;
}

}  // namespace

OutputFile::OutputFile(const fs::path& target) : target_(target) {
  struct stat status {};
  const bool exists = stat(target.c_str(), &status) == 0;
  if (target.empty()) fail(ENOENT);
  if (exists && S_ISDIR(status.st_mode)) fail(EISDIR);
  if (exists && access(target.c_str(), W_OK) != 0) fail(errno);
  if (exists && !S_ISREG(status.st_mode)) {
    fd_ = open(target.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail(errno);
    return;
  }
  // A symbolic link stays one: what it leads to is replaced.
  const fs::path real = follow_links(target);
  std::string name = real.string() + ".partial-XXXXXX";
  fd_ = mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) fail(errno);
  temporary_ = name;
  target_ = real;
  // mkostemp makes it private; the target gets what it had, or what any new file would get.
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd_, exists ? status.st_mode & 07777 : 0666 & ~mask);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

OutputFile OutputFile::join(const fs::path& partial, const fs::path& target) {
  OutputFile file;
  file.target_ = target;
  file.fd_ = open(partial.c_str(), O_WRONLY | O_CLOEXEC);
  if (file.fd_ < 0) {
    throw ResourceError(fmt::format(
        "cannot write {}: {}; every rank writes its part, so that a folder that all of them share "
        "would do",
        target.string(), std::strerror(errno)));
  }
  return file;
}

void OutputFile::fail(int error_number) const {
  throw ResourceError(
      fmt::format("cannot write {}: {}; give a file in a folder that exists and is writable",
                  target_.string(), std::strerror(error_number)));
}

void OutputFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::write_at(std::int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
}

void OutputFile::commit() {
  if (close(std::exchange(fd_, -1)) != 0) fail(errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
  temporary_.clear();
}

}  // namespace convscale
