// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ranks/comm.hpp"

#include <memory>
#include <string>

namespace convscale {

/// Starts MPI; the end of what it returns ends it. Once in a process, on its main thread. Throws
/// CommError. Where MPI cannot even start, the library may end the process itself.
std::unique_ptr<Comm> make_mpi_comm();

/// The library that this program runs with, "Open MPI 4.1.4"; may be asked without starting MPI.
std::string mpi_library();

}  // namespace convscale
