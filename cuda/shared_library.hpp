// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

namespace convscale::cuda {

/// A library that is loaded while the program runs, so that the program starts without it. It stays
/// loaded until the end: what has threads and devices of its own does not survive being unloaded.
struct SharedLibrary {
  void* handle = nullptr;  ///< null: it could not be loaded
  std::string error;       ///< why not, as the loader says it; empty if it was

  /// Sets `function` to what the library calls `name`; false, and null, if it has no such.
  template <class Function>
  bool resolve(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(symbol(name));
    return function != nullptr;
  }

 private:
  void* symbol(const char* name) const;
};

/// The first of `candidates` that loads: names, which the loader searches for, or paths.
SharedLibrary load_library(std::span<const std::string> candidates);

}  // namespace convscale::cuda
