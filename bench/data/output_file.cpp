// SPDX-License-Identifier: Apache-2.0
#include "bench/data/output_file.hpp"

#include "common/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace convscale {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPartial = ".partial-";
constexpr std::size_t kRandom = 6;  // letters behind it

/// Names of temporary files where a signal handler can read them. More than a run has.
struct Temporary {
  std::atomic<bool> is_used{false}, is_there{false};
  std::array<char, PATH_MAX> path{};
};
std::array<Temporary, 16> temporaries;

void note_temporary(const std::string& path) {
  for (Temporary& temporary : temporaries) {
    if (path.size() >= temporary.path.size() || temporary.is_used.exchange(true)) continue;
    std::copy_n(path.c_str(), path.size() + 1, temporary.path.data());
    temporary.is_there = true;
    return;
  }
}

void forget_temporary(const std::string& path) {
  for (Temporary& temporary : temporaries) {
    if (!temporary.is_there || path != temporary.path.data()) continue;
    temporary.is_there = false;
    temporary.is_used = false;
  }
}

/// Whether `path` names a process's open file by its number, as /proc/self/fd/3 and /dev/fd/3 do.
bool is_descriptor(const fs::path& path) {
  std::error_code error;
  const std::string folder = fs::canonical(path.parent_path(), error).string();
  return !error && folder.starts_with("/proc/") && folder.ends_with("/fd");
}

/// What `path` leads to, link by link; the last need not exist.
fs::path follow_links(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(path, error); ++i) {
    if (is_descriptor(path)) break;
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  return path;
}

/// Takes away what runs that were killed have left beside `target`: nobody holds their locks.
void remove_orphans(const fs::path& target) {
  const std::string begin = target.filename().string() + kPartial;
  const fs::path folder = target.has_parent_path() ? target.parent_path() : ".";
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(begin) || name.size() != begin.size() + kRandom) continue;
    const int fd = open(entry->path().c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(entry->path().c_str());
    close(fd);
  }
}

/// Opening a pipe waits for its reader, and an interrupt that comes right before would not end it:
/// so it is tried again and again.
int open_in_place(const fs::path& target, const std::function<bool()>& stop) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  int fd = -1;
  while ((fd = open(target.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC)) < 0) {
    if (errno != ENXIO || !fs::is_fifo(target)) return -1;
    if (stop()) {
      errno = EINTR;
      return -1;
    }
    std::this_thread::sleep_for(kPause);
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  return fd;
}

}  // namespace

std::optional<int> own_descriptor(const fs::path& target) {
  const fs::path path = follow_links(target);
  std::error_code error;
  const fs::path folder = fs::canonical(path.parent_path(), error);
  const bool is_own = folder == fs::canonical("/proc/self/fd", error) ||
                      folder == fs::canonical("/proc/thread-self/fd", error);
  const std::string name = path.filename().string();
  int number = -1;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool is_number = failure == std::errc() && end == name.data() + name.size() && number >= 0;
  return is_own && is_number ? std::optional(number) : std::nullopt;
}

OutputFile::OutputFile(const fs::path& target, const std::function<bool()>& stop)
    : target_(target) {
  struct stat status {};
  const bool exists = stat(target.c_str(), &status) == 0;
  if (target.empty()) fail(ENOENT);
  if (exists && S_ISDIR(status.st_mode)) fail(EISDIR);
  // A symbolic link stays one: what it leads to is replaced.
  const fs::path real = follow_links(target);
  if (is_descriptor(real) || (exists && !S_ISREG(status.st_mode))) {
    // Of ours a copy, which goes on where it is; opened anew, it would begin at the front.
    const auto own = own_descriptor(target);
    fd_ = own ? fcntl(*own, F_DUPFD_CLOEXEC, 0) : open_in_place(target, stop);
    if (fd_ < 0) fail(errno);
    if (own && (fcntl(fd_, F_GETFL) & O_ACCMODE) == O_RDONLY) {
      close(std::exchange(fd_, -1));
      fail(EBADF);
    }
    return;
  }
  if (exists && access(target.c_str(), W_OK) != 0) fail(errno);
  target_ = real;
  remove_orphans(real);
  make_temporary();
  // mkostemp makes it private; the target gets what it had, or what any new file would get.
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd_, exists ? status.st_mode & 07777 : 0666 & ~mask);
}

/// Its lock says that somebody writes to it. One that was taken for an orphan's before it had the
/// lock is gone: then another.
void OutputFile::make_temporary() {
  for (struct stat status{}; status.st_nlink == 0;) {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
      forget_temporary(temporary_);
    }
    std::string name = target_.string() + kPartial + std::string(kRandom, 'X');
    fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0) fail(errno);
    note_temporary(name);
    temporary_ = std::move(name);
    // Where there are no locks, nothing is taken for an orphan; where another holds it, it is.
    const bool is_taken = flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fstat(fd_, &status) != 0) fail(errno);
    if (is_taken) status.st_nlink = 0;
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (temporary_.empty()) return;
  unlink(temporary_.c_str());
  forget_temporary(temporary_);
}

void remove_temporaries() noexcept {
  for (const Temporary& temporary : temporaries) {
    if (temporary.is_there) unlink(temporary.path.data());
  }
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
  const char* remedy = "give a file in a folder that exists and is writable";
  if (error_number == ENOSPC || error_number == EDQUOT) remedy = "give a file where there is room";
  if (error_number == EBADF) remedy = "give a descriptor that is open for writing";
  if (error_number == EPIPE) remedy = "its reader has gone";
  if (error_number == EINTR) remedy = "a signal came before anybody read it";
  if (error_number == EFBIG) remedy = "a larger limit of files (ulimit -f) would do";
  throw ResourceError(fmt::format("cannot write {}: {}; {}", target_.string(),
                                  std::strerror(error_number), remedy));
}

void OutputFile::put(std::span<const std::byte> bytes, std::optional<std::int64_t> offset) {
  while (!bytes.empty()) {
    const ssize_t written = offset ? pwrite(fd_, bytes.data(), bytes.size(), *offset)
                                   : ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {  // of a pipe that another process has set not to block
      pollfd ready{fd_, POLLOUT, 0};
      poll(&ready, 1, -1);
      continue;
    }
    if (written < 0) fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    if (offset) *offset += written;
  }
}

void OutputFile::commit() {
  // Closing says whether all is written; a copy keeps the lock until the file has its name.
  const int lock = temporary_.empty() ? -1 : fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  int error = close(std::exchange(fd_, -1)) != 0 && errno != EINTR ? errno : 0;
  if (error == 0 && !temporary_.empty()) {
    if (rename(temporary_.c_str(), target_.c_str()) == 0) {
      forget_temporary(temporary_);
      temporary_.clear();
    } else {
      error = errno;
    }
  }
  if (lock >= 0) close(lock);
  if (error != 0) fail(error);
}

}  // namespace convscale
