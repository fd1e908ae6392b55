// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ranks/comm.hpp"
#include "common/backend.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace convscale {

/// The whole program: parses `args` (args[0] is its name), measures, prints. Returns the exit code
/// and throws nothing. `out` and `err` are standard output and standard error; files that were
/// asked for are written too.
///
/// With several ranks in `comm` all of them call it, and all of them get the same exit code. Rank 0
/// alone prints and writes. Where they lose each other, the one that noticed prints and aborts.
int run_program(const std::vector<std::string>& args, const BackendTable& backends, Comm& comm,
                std::ostream& out, std::ostream& err);

/// A process of its own.
int run_program(const std::vector<std::string>& args, const BackendTable& backends,
                std::ostream& out, std::ostream& err);

}  // namespace convscale
