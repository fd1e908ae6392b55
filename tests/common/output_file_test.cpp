// SPDX-License-Identifier: Apache-2.0
#include "common/output_file.hpp"

#include "common/error.hpp"
#include "support.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convscale {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// The message of the ResourceError that opening, or else writing, `target` throws.
std::string failure(const fs::path& target) {
  try {
    OutputFile file(target);
    file.write("text");
    file.commit();
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  ADD_FAILURE() << "no error for " << target;
  return "";
}

/// The same of opening alone.
std::string opening_failure(const fs::path& target) {
  try {
    const OutputFile file(target);
  } catch (const ResourceError& error) {
    return error.what();
  }
  ADD_FAILURE() << "opened " << target;
  return "";
}

TEST(OutputFile, AppearsOnCommit) {
  const testing::TemporaryFolder folder;
  OutputFile file(folder / "out.json");
  file.write("one ");
  file.write("two");
  EXPECT_FALSE(fs::exists(folder / "out.json"));
  file.commit();
  EXPECT_EQ(content(folder / "out.json"), "one two");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("out.json"));
}

TEST(OutputFile, WithoutCommitTheOldContentStaysAndNothingElse) {
  const testing::TemporaryFolder folder;
  put(folder / "out.json", "old");
  {
    OutputFile file(folder / "out.json");
    file.write("new");
    EXPECT_EQ(content(folder / "out.json"), "old");
  }
  EXPECT_EQ(content(folder / "out.json"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("out.json"));
}

TEST(OutputFile, ReplacesALongerFile) {
  const testing::TemporaryFolder folder;
  put(folder / "out.csv", "a much longer old content");
  OutputFile file(folder / "out.csv");
  file.write("new");
  file.commit();
  EXPECT_EQ(content(folder / "out.csv"), "new");
}

TEST(OutputFile, WritesBytesAndLargeTexts) {
  const testing::TemporaryFolder folder;
  const std::string large(3'000'000, 'x');
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}, std::byte{10}};
  OutputFile file(folder / "out");
  file.write(large);
  file.write(bytes);
  file.commit();
  EXPECT_EQ(content(folder / "out"), large + std::string("\0\xff\n", 3));
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
  EXPECT_EQ(content(folder / "out"), "moved");
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

TEST(OutputFile, SymbolicLinkStaysOne) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder / "elsewhere");
  put(folder / "elsewhere/real", "old");
  fs::create_symlink("elsewhere/real", folder / "link");
  OutputFile file(folder / "link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(content(folder / "elsewhere/real"), "new");
  EXPECT_THAT(names_in(folder / "elsewhere"), ElementsAre("real"));
}

TEST(OutputFile, SymbolicLinkToAFileYetToBeStaysOne) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder / "elsewhere");
  fs::create_symlink("elsewhere/real", folder / "link");
  OutputFile file(folder / "link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(content(folder / "elsewhere/real"), "new");
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
  EXPECT_THAT(failure("/dev/full"), HasSubstr("/dev/full"));
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

// As in `--json /dev/stdout | jq`, or `--json >(jq)`: a link of /proc to a pipe without a name.
TEST(OutputFile, PipeOfThisProcessIsWrittenInPlace) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const fs::path path = "/dev/fd/" + std::to_string(ends[1]);
  try {
    OutputFile file(path);
    file.write("text");
    file.commit();
    char got[8] = {};
    EXPECT_EQ(read(ends[0], got, sizeof(got)), 4);
    EXPECT_STREQ(got, "text");
  } catch (const ResourceError& error) {
    ADD_FAILURE() << error.what();
  }
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace convscale
