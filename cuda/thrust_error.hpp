// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/error.hpp"
#include "cuda/check.hpp"

#include <exception>

/// Runs a statement that calls Thrust; what Thrust throws (thrust::system_error, std::bad_alloc)
/// becomes a ResourceError with the call, file and line.
#define CONVSCALE_THRUST(...)                                                                   \
  do {                                                                                          \
    try {                                                                                       \
      __VA_ARGS__;                                                                              \
    } catch (const ::convscale::Error&) {                                                       \
      throw;                                                                                    \
    } catch (const std::exception& error) {                                                     \
      ::convscale::cuda::ignore(cudaGetLastError()); /* a later call must not report it */      \
      throw ::convscale::ResourceError(                                                         \
          ::convscale::cuda::place_of(#__VA_ARGS__, __FILE__, __LINE__) + ": " + error.what()); \
    }                                                                                           \
  } while (false)
