// SPDX-License-Identifier: Apache-2.0
#include "cuda/shared_library.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace convscale::cuda {

void* SharedLibrary::symbol(const char* name) const {
  return handle == nullptr ? nullptr : dlsym(handle, name);
}

SharedLibrary load_library(const std::string& name) {
  SharedLibrary library;
  std::error_code ignored;
  if (name.find('/') != std::string::npos && !std::filesystem::exists(name, ignored))
    return library;
  library.handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle != nullptr) return library;
  const char* error = dlerror();  // NOLINT(concurrency-mt-unsafe): it is per thread in glibc
  library.error = error == nullptr ? name + ": not loaded" : error;
  return library;
}

}  // namespace convscale::cuda
