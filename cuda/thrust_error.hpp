// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/error.hpp"
#include "cuda/check.hpp"

#include <thrust/system_error.h>

#include <new>

/// Runs `statement`, which calls Thrust; a fault becomes a ResourceError with the call, file and
/// line.
#define CONVSCALE_THRUST(...)                                                                   \
  do {                                                                                          \
    try {                                                                                       \
      __VA_ARGS__;                                                                              \
    } catch (const ::thrust::system_error& error) {                                             \
      throw ::convscale::ResourceError(                                                         \
          ::convscale::cuda::place_of(#__VA_ARGS__, __FILE__, __LINE__) + ": " + error.what()); \
    } catch (const std::bad_alloc& error) {                                                     \
      throw ::convscale::ResourceError(                                                         \
          ::convscale::cuda::place_of(#__VA_ARGS__, __FILE__, __LINE__) + ": " + error.what()); \
    }                                                                                           \
  } while (false)
