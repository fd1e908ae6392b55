// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks what the host and a CUDA device compile from the same source.
#if defined(__CUDACC__)
#define CONVSCALE_HOST_DEVICE __host__ __device__
#else
#define CONVSCALE_HOST_DEVICE
#endif
