// SPDX-License-Identifier: Apache-2.0
// Where cuDNN may lie. Nothing is run and nothing is loaded here, and no folder that cannot be read
// stops the search.
//
// One file is enough: it loads its parts by name, and in wheels its path is $ORIGIN, as that of the
// parts, which goes on to the cuBLAS and NVRTC of other wheels. Seen with those of 9.1.0 for CUDA
// 12 and of 9.28.1 for CUDA 13, loaded by their absolute path with an empty LD_LIBRARY_PATH; the
// one gap is mended in load_nvrtc_beside().
#include "cuda/cudnn_library.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace convscale::cuda {
namespace {

namespace fs = std::filesystem;

fs::path variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? fs::path() : fs::path(text);
}

/// 12 of "python3.12" and "python3.12t"; -1 of "python3", where Debian has packages for all of
/// them; null of anything else.
std::optional<int> python_minor(const std::string& name) {
  constexpr std::string_view kPython = "python3";
  if (name == kPython) return -1;
  if (!name.starts_with("python3.")) return std::nullopt;
  return std::atoi(name.c_str() + kPython.size() + 1);
}

/// The folders `python3*` of `lib`, the newest Python's first.
std::vector<fs::path> pythons_of(const fs::path& lib) {
  std::vector<std::pair<int, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator each(lib, error), end; !error && each != end; each.increment(error)) {
    if (const auto minor = python_minor(each->path().filename().string()))
      found.emplace_back(*minor, each->path());
  }
  std::sort(found.begin(), found.end(), std::greater<>());
  std::vector<fs::path> folders;
  for (auto& [minor, folder] : found) folders.push_back(std::move(folder));
  return folders;
}

/// Where the packages of the Python that is installed in `prefix` have cuDNN, and where Conda's
/// have it.
void add_python(std::vector<fs::path>& folders, const fs::path& prefix) {
  std::error_code ignored;
  for (const char* lib : {"lib", "lib64", "local/lib"}) {
    for (const fs::path& python : pythons_of(prefix / lib)) {
      for (const char* packages : {"site-packages", "dist-packages"}) {
        const fs::path folder = python / packages / "nvidia/cudnn/lib";
        if (fs::is_directory(folder, ignored)) folders.push_back(folder);
      }
    }
  }
  if (fs::exists(prefix / "lib" / kCudnnLibrary, ignored)) folders.push_back(prefix / "lib");
}

/// Where each python3 of PATH is installed, the first one first. A virtual environment's is a link,
/// whose own place counts before that of the Python which it leads to. Behind a script that starts
/// some Python (pyenv's) the next may be the one that it starts.
std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> prefixes;
  std::istringstream path(variable("PATH").string());
  for (std::string folder; std::getline(path, folder, ':');) {
    const fs::path python = fs::path(folder) / "python3";
    if (folder.empty() || access(python.c_str(), X_OK) != 0) continue;
    std::error_code error;
    const fs::path resolved = fs::canonical(python, error);
    prefixes.push_back(fs::path(folder).parent_path());
    if (!error) prefixes.push_back(resolved.parent_path().parent_path());
  }
  return prefixes;
}

std::vector<fs::path> folders_of_cudnn() {
  std::vector<fs::path> folders;
  if (const fs::path cudnn = variable("CUDNN_PATH"); !cudnn.empty()) folders.push_back(cudnn);
  for (const fs::path& toolkit : {variable("CUDNN_PATH"), variable("CUDA_HOME"),
                                  variable("CUDA_PATH"), fs::path("/usr/local/cuda")}) {
    if (toolkit.empty()) continue;
    folders.push_back(toolkit / "lib");
    folders.push_back(toolkit / "lib64");
  }
  for (const fs::path& prefix : python_prefixes()) add_python(folders, prefix);
  if (const fs::path home = variable("HOME"); !home.empty()) add_python(folders, home / ".local");
  for (const fs::path& prefix : {variable("VIRTUAL_ENV"), variable("CONDA_PREFIX")}) {
    if (!prefix.empty()) add_python(folders, prefix);
  }
  return folders;
}

}  // namespace

std::vector<std::string> cudnn_candidates() {
  std::vector<std::string> candidates = {kCudnnLibrary};
  for (const fs::path& folder : folders_of_cudnn()) {
    std::string candidate = (folder / kCudnnLibrary).lexically_normal().string();
    if (std::find(candidates.begin(), candidates.end(), candidate) == candidates.end())
      candidates.push_back(std::move(candidate));
  }
  return candidates;
}

}  // namespace convscale::cuda
