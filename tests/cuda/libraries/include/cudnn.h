// SPDX-License-Identifier: Apache-2.0
// The real cuDNN header, for the stand-in: with the one type of the CUDA runtime that the stand-in
// may lack, and C++ functions where the real header would include them as C's.
#pragma once

#include <cuda_runtime_api.h>

typedef struct CUgraph_st* cudaGraph_t;  // NOLINT(modernize-use-using): the form is CUDA's

#include_next <cudnn.h>
