// SPDX-License-Identifier: Apache-2.0
// The host's side of the stand-in's CUDA runtime: of CUDA 13's types and functions those that we
// use, with the same names and values. ../standin.hpp says how it behaves.
#pragma once

#include "vector_types.h"

#include <cstddef>

// NOLINTBEGIN(readability-identifier-naming,modernize-use-using): the names and forms are CUDA's

#define CUDART_VERSION 13000

/// X(name, value, text): errors, as cudaGetErrorName and cudaGetErrorString tell them.
#define CONVSCALE_STANDIN_ERRORS(X)                                                \
  X(cudaSuccess, 0, "no error")                                                    \
  X(cudaErrorInvalidValue, 1, "invalid argument")                                  \
  X(cudaErrorMemoryAllocation, 2, "out of memory")                                 \
  X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")            \
  X(cudaErrorInvalidPitchValue, 12, "invalid pitch argument")                      \
  X(cudaErrorInsufficientDriver, 35,                                               \
    "CUDA driver version is insufficient for CUDA runtime version")                \
  X(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                 \
  X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                  \
  X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                         \
  X(cudaErrorNoKernelImageForDevice, 209,                                          \
    "no kernel image is available for execution on the device")                    \
  X(cudaErrorUnsupportedPtxVersion, 222,                                           \
    "the provided PTX was compiled with an unsupported toolchain.")                \
  X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                \
  X(cudaErrorNotReady, 600, "device not ready")                                    \
  X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")      \
  X(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch") \
  X(cudaErrorHostMemoryAlreadyRegistered, 712,                                     \
    "part or all of the requested memory range is already mapped")                 \
  X(cudaErrorHostMemoryNotRegistered, 713,                                         \
    "pointer does not correspond to a registered memory region")                   \
  X(cudaErrorMisalignedAddress, 716, "misaligned address")                         \
  X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                     \
  X(cudaErrorUnknown, 999, "unknown error")

enum cudaError {
#define CONVSCALE_STANDIN_VALUE(name, value, text) name = value,
  CONVSCALE_STANDIN_ERRORS(CONVSCALE_STANDIN_VALUE)
#undef CONVSCALE_STANDIN_VALUE
};
typedef enum cudaError cudaError_t;

enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
typedef void (*cudaHostFn_t)(void* user_data);

#define cudaHostRegisterPortable 0x01u
#define cudaStreamNonBlocking 0x01u

struct cudaPitchedPtr {
  void* ptr;
  size_t pitch, xsize, ysize;
};
constexpr cudaPitchedPtr make_cudaPitchedPtr(void* pointer, size_t pitch, size_t xsize,
                                             size_t ysize) {
  return {pointer, pitch, xsize, ysize};
}
struct cudaPos {
  size_t x, y, z;
};
struct cudaExtent {
  size_t width, height, depth;
};
constexpr cudaExtent make_cudaExtent(size_t width, size_t height, size_t depth) {
  return {width, height, depth};
}
struct cudaMemcpy3DParms {
  struct cudaArray* srcArray;
  cudaPos srcPos;
  cudaPitchedPtr srcPtr;
  struct cudaArray* dstArray;
  cudaPos dstPos;
  cudaPitchedPtr dstPtr;
  cudaExtent extent;
  cudaMemcpyKind kind;
};

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major;
  int minor;
  int multiProcessorCount;
  int l2CacheSize;
  int maxThreadsPerMultiProcessor;
  size_t sharedMemPerBlockOptin;
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
struct cudaFuncAttributes {
  int maxThreadsPerBlock;
};

typedef struct cudaLaunchConfig_st {
  dim3 gridDim;
  dim3 blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
} cudaLaunchConfig_t;

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();

cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device);
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes);

cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int flags);
cudaError_t cudaHostUnregister(void* pointer);

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync(void* target, size_t target_pitch, const void* source,
                              size_t source_pitch, size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream);
cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* parameters, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags = 0);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* user_data);

cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function);
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                          int block_size, size_t dynamic_bytes);

// NOLINTEND(readability-identifier-naming,modernize-use-using)
