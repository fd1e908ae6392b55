// SPDX-License-Identifier: Apache-2.0
#include "bench/data/output_file.hpp"

#include "common/error.hpp"
#include "support.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::read_text;

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// What the error says of opening `target`.
std::string opening_failure(const fs::path& target) {
  return testing::message_of<ResourceError>([&] { const OutputFile file(target); });
}

TEST(OutputFile, AppearsOnCommitAndReplacesALongerOne) {
  const testing::TemporaryFolder folder;
  const std::string large(3'000'000, 'x');
  for (const std::string& old : {std::string(), large + "a much longer old content"}) {
    if (!old.empty()) put(folder / "out", old);
    OutputFile file(folder / "out");
    file.write(large);
    file.write(std::vector<std::byte>{std::byte{0}, std::byte{255}, std::byte{10}});
    EXPECT_EQ(read_text(folder / "out"), old);
    file.commit();
    EXPECT_EQ(read_text(folder / "out"), large + std::string("\0\xff\n", 3));
    EXPECT_THAT(names_in(folder.path()), ElementsAre("out"));
  }
}

TEST(OutputFile, WithoutCommitTheOldContentStaysAndNothingElse) {
  const testing::TemporaryFolder folder;
  put(folder / "out.json", "old");
  {
    OutputFile file(folder / "out.json");
    file.write("new");
    EXPECT_EQ(read_text(folder / "out.json"), "old");
  }
  EXPECT_EQ(read_text(folder / "out.json"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("out.json"));
}

TEST(OutputFile, MovedFromIsHarmless) {
  const testing::TemporaryFolder folder;
  std::optional<OutputFile> kept;
  {
    OutputFile file(folder / "out");
    kept.emplace(std::move(file));
  }
  kept->write("moved");
  kept->commit();
  EXPECT_EQ(read_text(folder / "out"), "moved");
}

TEST(OutputFile, ModeIsKeptAndANewFileFollowsTheUmask) {
  const testing::TemporaryFolder folder;
  const auto mode = [&](const char* name) {
    struct stat status {};
    stat((folder / name).c_str(), &status);
    return status.st_mode & 07777;
  };
  const auto write = [&](const char* name) {
    OutputFile file(folder / name);
    file.commit();
  };
  put(folder / "old", "old");
  fs::permissions(folder / "old", static_cast<fs::perms>(0640));
  const mode_t mask = umask(027);
  write("old");
  write("new");
  umask(022);
  write("new022");
  umask(mask);
  EXPECT_EQ(mode("old"), 0640u);
  EXPECT_EQ(mode("new"), 0640u);
  EXPECT_EQ(mode("new022"), 0644u);
}

/// Whether there is a file behind it yet or not.
TEST(OutputFile, SymbolicLinkStaysOne) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder / "elsewhere");
  fs::create_symlink("elsewhere/real", folder / "link");
  for (const char* text : {"first", "new"}) {
    OutputFile file(folder / "link");
    file.write(text);
    file.commit();
    EXPECT_TRUE(fs::is_symlink(folder / "link"));
    EXPECT_EQ(read_text(folder / "elsewhere/real"), text);
    EXPECT_THAT(names_in(folder / "elsewhere"), ElementsAre("real"));
  }
}

TEST(OutputFile, FailuresNameTheTarget) {
  const testing::TemporaryFolder folder;
  put(folder / "file", "no folder");
  EXPECT_THAT(opening_failure(folder / "missing/out.json"),
              HasSubstr((folder / "missing/out.json").string()));
  EXPECT_THAT(opening_failure(folder / "file/out.json"),
              HasSubstr((folder / "file/out.json").string()));
  EXPECT_THAT(opening_failure(folder.path()), HasSubstr(folder.path().string()));
  EXPECT_THAT(opening_failure("/proc/out.json"), HasSubstr("/proc/out.json"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("file"));
}

TEST(OutputFile, NoNameIsFoundAtOnce) {
  const testing::TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  EXPECT_THAT(opening_failure(""), HasSubstr("cannot write"));
  fs::current_path(before);
  EXPECT_THAT(names_in(folder.path()), ElementsAre());
}

TEST(OutputFile, DevicesAreWrittenInPlace) {
  OutputFile file("/dev/null");
  file.write("gone");
  file.commit();
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  const std::string failure = testing::message_of<ResourceError>([] {
    OutputFile full("/dev/full");
    full.write("text");
    full.commit();
  });
  EXPECT_THAT(failure, AllOf(HasSubstr("/dev/full"), Not(HasSubstr("\n"))));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(OutputFile, FifoIsWrittenInPlace) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  OutputFile file(path);
  file.write("text");
  file.commit();
  char got[8] = {};
  EXPECT_EQ(read(reader, got, sizeof(got)), 4);
  close(reader);
  EXPECT_STREQ(got, "text");
  EXPECT_TRUE(fs::is_fifo(path));
}

/// Writes to open file `number` of this process by its name.
void write_to_descriptor(const std::string& folder, int number) {
  OutputFile file(folder + std::to_string(number));
  file.write("text");
  file.commit();
}

// As in `--json /dev/stdout | jq`, or `--json >(jq)`: links of /proc to what has no name.
TEST(OutputFile, PipeAndSocketOfThisProcessAreWrittenInPlace) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  write_to_descriptor("/dev/fd/", ends[1]);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  write_to_descriptor("/proc/thread-self/fd/", pair[1]);
  for (const int reader : {ends[0], pair[0]}) {
    char got[8] = {};
    EXPECT_EQ(read(reader, got, sizeof(got)), 4);
    EXPECT_STREQ(got, "text");
  }
  for (const int fd : {ends[0], ends[1], pair[0], pair[1]}) close(fd);
}

// As in `--json /dev/stdout >>all.json`.
TEST(OutputFile, FileBehindADescriptorKeepsWhatItHas) {
  const testing::TemporaryFolder folder;
  for (const int flags : {O_APPEND, 0}) {
    put(folder / "all", "old ");
    const int fd = open((folder / "all").c_str(), O_WRONLY | flags);
    ASSERT_EQ(lseek(fd, 4, SEEK_SET), 4);
    const std::string of_process = "/proc/" + std::to_string(getpid()) + "/fd/";
    for (const std::string& by : {std::string("/dev/fd/"), of_process}) write_to_descriptor(by, fd);
    fs::create_symlink("/dev/fd/" + std::to_string(fd), folder / "link");
    OutputFile(folder / "link").write(" end");
    close(fd);
    EXPECT_EQ(read_text(folder / "all"), "old texttext end");
    fs::remove(folder / "link");
    EXPECT_THAT(names_in(folder.path()), ElementsAre("all"));
  }
}

TEST(OutputFile, DescriptorThatCannotBeWrittenIsFoundAtOnce) {
  const testing::TemporaryFolder folder;
  put(folder / "input", "old");
  const int fd = open((folder / "input").c_str(), O_RDONLY);
  const std::string name = "/dev/fd/" + std::to_string(fd);
  EXPECT_THAT(opening_failure(name), HasSubstr(name));
  close(fd);
  EXPECT_THAT(opening_failure(name), HasSubstr(name));
  EXPECT_EQ(read_text(folder / "input"), "old");
}

TEST(OutputFile, WaitsForAPipeThatDoesNotBlock) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const std::string large(1'000'000, 'x');
  std::thread writer([&] {
    OutputFile file("/dev/fd/" + std::to_string(ends[1]));
    file.write(large);
    close(ends[1]);
  });
  std::string got;
  while (true) {
    char buffer[4096];
    const ssize_t count = read(ends[0], buffer, sizeof(buffer));
    if (count == 0) break;
    if (count > 0) got.append(buffer, static_cast<std::size_t>(count));
  }
  writer.join();
  close(ends[0]);
  EXPECT_EQ(got, large);
}

// What a process leaves that is killed.
TEST(OutputFile, TakesAwayWhatNobodyWritesAnyMore) {
  const testing::TemporaryFolder folder;
  put(folder / "out.json.partial-aB3xY9", "half");
  put(folder / "out.json.partial-kept-by-its-name", "another's");
  put(folder / "other.json.partial-aB3xY9", "another target's");
  OutputFile first(folder / "out.json");
  EXPECT_FALSE(fs::exists(folder / "out.json.partial-aB3xY9"));
  OutputFile second(folder / "out.json");
  first.write("one");
  first.commit();
  EXPECT_EQ(read_text(folder / "out.json"), "one");
  OutputFile third(folder / "out.json");
  second.write("two");
  second.commit();
  EXPECT_EQ(read_text(folder / "out.json"), "two");
  third.commit();
  EXPECT_THAT(names_in(folder.path()), ElementsAre("other.json.partial-aB3xY9", "out.json",
                                                   "out.json.partial-kept-by-its-name"));
}

}  // namespace
}  // namespace convscale
