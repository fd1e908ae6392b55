// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace convscale::cuda {

/// A library that is loaded while the program runs, so that the program starts without it. It stays
/// loaded until the end: what has threads and devices of its own does not survive being unloaded.
struct SharedLibrary {
  void* handle = nullptr;  ///< null: it could not be loaded
  std::string error;       ///< why not, as the loader says it; empty if it was, or is not there

  /// Sets `function` to what the library calls `name`; false, and null, if it has no such.
  template <class Function>
  bool resolve(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(symbol(name));
    return function != nullptr;
  }

 private:
  void* symbol(const char* name) const;
};

/// `name` is one that the loader searches for, or a path. A path that is not there is no error: it
/// would only hide why another one does not load.
SharedLibrary load_library(const std::string& name);

}  // namespace convscale::cuda
