// SPDX-License-Identifier: Apache-2.0
#include "cuda/shared_library.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace convscale::cuda {

void* SharedLibrary::symbol(const char* name) const {
  return handle == nullptr ? nullptr : dlsym(handle, name);
}

SharedLibrary load_library(std::span<const std::string> candidates) {
  SharedLibrary library;
  for (const std::string& candidate : candidates) {
    // A path that is not there would only hide why another one does not load.
    std::error_code ignored;
    if (candidate.find('/') != std::string::npos && !std::filesystem::exists(candidate, ignored)) {
      continue;
    }
    library.handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library.handle != nullptr) {
      library.error.clear();
      break;
    }
    const char* error = dlerror();  // NOLINT(concurrency-mt-unsafe): it is per thread in glibc
    library.error = error == nullptr ? candidate + ": not loaded" : error;
  }
  return library;
}

}  // namespace convscale::cuda
