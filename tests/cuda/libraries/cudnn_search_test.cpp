// SPDX-License-Identifier: Apache-2.0
// Where cuDNN is found: folders as Python's packages make them, with copies of the fake.
#include "cuda/cudnn_library.hpp"
#include "cuda/libraries/environment.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace convscale::cuda {
namespace {

namespace fs = std::filesystem;
using ::convscale::testing::Variable;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CudnnSearchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "convscale-cudnn-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = fs::canonical(name);
    for (const char* variable :
         {"CUDNN_PATH", "CUDA_HOME", "CUDA_PATH", "PATH", "HOME", "VIRTUAL_ENV", "CONDA_PREFIX"}) {
      set(variable, "");
    }
  }
  void TearDown() override { fs::remove_all(root_); }

  void set(const char* variable, const std::string& value) {
    variables_.push_back(std::make_unique<Variable>(variable, value));
  }
  std::string at(const std::string& path) const { return (root_ / path).string(); }

  /// A file that is there.
  std::string touch(const std::string& path) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << "#!/bin/sh\n";
    return at(path);
  }
  std::string executable(const std::string& path) const {
    touch(path);
    fs::permissions(root_ / path, fs::perms::owner_all);
    return at(path);
  }
  /// The fake cuDNN.
  std::string library(const std::string& path) const {
    fs::create_directories((root_ / path).parent_path());
    fs::copy_file(cudnn_library().file, root_ / path);
    return at(path);
  }
  /// Python's package of cuDNN below such a folder.
  std::string package(const std::string& packages) const {
    return touch(packages + "/nvidia/cudnn/lib/libcudnn.so.9");
  }

  /// Candidates that are below root_.
  std::vector<std::string> found() const {
    std::vector<std::string> ours;
    for (const std::string& candidate : cudnn_candidates()) {
      if (candidate.starts_with(root_.string())) ours.push_back(candidate);
    }
    return ours;
  }

 private:
  fs::path root_;
  std::vector<std::unique_ptr<Variable>> variables_;
};

TEST_F(CudnnSearchTest, BeginsWithTheLoaderAndWhatTheEnvironmentSays) {
  set("CUDNN_PATH", "/a");
  set("CUDA_HOME", "/b/");
  set("CUDA_PATH", "/c");
  EXPECT_THAT(
      cudnn_candidates(),
      ElementsAre("libcudnn.so.9", "/a/libcudnn.so.9", "/a/lib/libcudnn.so.9",
                  "/a/lib64/libcudnn.so.9", "/b/lib/libcudnn.so.9", "/b/lib64/libcudnn.so.9",
                  "/c/lib/libcudnn.so.9", "/c/lib64/libcudnn.so.9",
                  "/usr/local/cuda/lib/libcudnn.so.9", "/usr/local/cuda/lib64/libcudnn.so.9"));
}

TEST_F(CudnnSearchTest, FindsThePackagesOfThePythonOnThePath) {
  set("PATH", at("nothing") + "::" + at("no/bin") + ":" + at("py/bin"));
  touch("no/bin/python3");  // not executable
  package("no/lib/python3.12/site-packages");
  executable("py/bin/python3");
  EXPECT_THAT(found(), IsEmpty());
  touch("py/lib/python3.12/site-packages/nvidia/cublas/lib/libcublas.so.12");
  touch("py/lib/libpython3.so");
  EXPECT_THAT(found(), IsEmpty());
  const std::vector<std::string> packages = {
      package("py/lib/python3.12/site-packages"),
      package("py/lib/python3.9/site-packages"),
      package("py/lib/python3.9/dist-packages"),
      package("py/lib/python3/dist-packages"),
      package("py/lib64/python3.11/site-packages"),
      package("py/local/lib/python3.13t/dist-packages"),
  };
  EXPECT_THAT(found(), ElementsAreArray(packages));
}

TEST_F(CudnnSearchTest, LooksInAVirtualEnvironmentAndBehindIt) {
  set("PATH", at("venv/bin") + ":" + at("other/bin") + ":" + at("venv/bin"));
  executable("py/bin/python3.12");
  executable("other/bin/python3");
  fs::create_directories(at("venv/bin"));
  fs::create_symlink(at("py/bin/python3.12"), at("venv/bin/python3"));
  const std::string behind = package("py/lib/python3.12/site-packages"),
                    later = package("other/lib/python3.14/site-packages");
  EXPECT_THAT(found(), ElementsAre(behind, later));
  const std::string own = package("venv/lib/python3.12/site-packages");
  EXPECT_THAT(found(), ElementsAre(own, behind, later));
}

TEST_F(CudnnSearchTest, EndsWithTheUsersPackagesAndActiveEnvironments) {
  set("HOME", at("home"));
  set("VIRTUAL_ENV", at("venv"));
  set("CONDA_PREFIX", at("conda"));
  const std::string user = package("home/.local/lib/python3.11/site-packages"),
                    venv = package("venv/lib/python3.12/site-packages"),
                    conda = package("conda/lib/python3.10/site-packages");
  EXPECT_THAT(found(), ElementsAre(user, venv, conda));
  const std::string condas_own = touch("conda/lib/libcudnn.so.9");
  EXPECT_THAT(found(), ElementsAre(user, venv, conda, condas_own));
}

TEST_F(CudnnSearchTest, IsNotStoppedByWhatIsNoFolder) {
  set("PATH", at("py/bin"));
  set("HOME", "/proc/self/status");
  executable("py/bin/python3");
  touch("py/lib/python3.12");
  touch("py/lib64/python3.12/site-packages/nvidia/cudnn/lib");
  fs::create_directories(at("py/local"));
  fs::create_symlink(at("py/local/lib"), at("py/local/lib"));  // leads to itself
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CudnnSearchTest, LoadsThePackageAndSaysWhichFileItTook) {
  set("PATH", at("py/bin"));
  executable("py/bin/python3");
  touch("py/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9");  // no library
  const std::string library_path =
      library("py/lib/python3.11/site-packages/nvidia/cudnn/lib/libcudnn.so.9");
  const CudnnLibrary loaded = load_cudnn(found());
  EXPECT_THAT(loaded.missing, IsEmpty());
  EXPECT_EQ(loaded.file, library_path);
}

TEST_F(CudnnSearchTest, LoadsTheNvrtcOfThePackagesForIt) {
  const auto is_loaded = [](const std::string& path) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (handle != nullptr) dlclose(handle);
    return handle != nullptr;
  };
  // Any library will do in NVRTC's place.
  const std::string beside = library("site/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"),
                    parts = library("site/nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.4"),
                    elsewhere = library("lib/cuda_nvrtc/lib/libnvrtc.so.12");
  const std::vector<std::string> plain = {library("lib/cudnn/lib/libcudnn.so.9")};
  EXPECT_THAT(load_cudnn(plain).missing, IsEmpty());
  EXPECT_FALSE(is_loaded(elsewhere)) << "only packages lie so";
  const std::vector<std::string> package = {library("site/nvidia/cudnn/lib/libcudnn.so.9")};
  EXPECT_FALSE(is_loaded(beside));
  EXPECT_THAT(load_cudnn(package).missing, IsEmpty());
  EXPECT_TRUE(is_loaded(beside));
  EXPECT_FALSE(is_loaded(parts)) << "it finds these itself";
}

TEST_F(CudnnSearchTest, NamesAnotherMajorVersionThatIsThereAlone) {
  set("CUDNN_PATH", at("cudnn"));
  const std::string old = library("cudnn/lib/libcudnn.so.8");
  EXPECT_EQ(load_cudnn(found()).missing,
            old + " is here, but version 9 is needed; CUDNN_PATH can say where it is");
  fs::rename(old, at("cudnn/lib/libcudnn.so.10"));
  EXPECT_THAT(load_cudnn(found()).missing, HasSubstr("libcudnn.so.10 is here, but"));
  const std::string broken = touch("cudnn/lib/libcudnn.so.9");
  EXPECT_THAT(load_cudnn(found()).missing, HasSubstr("does not load (" + broken + ": "));
}

}  // namespace
}  // namespace convscale::cuda
