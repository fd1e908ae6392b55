// SPDX-License-Identifier: Apache-2.0
// The types of the stand-in's CUDA runtime: the part of CUDA 13's driver_types.h that host code of
// ours may use, with the same names and values.
#pragma once

#include "vector_types.h"

#include <cstddef>

// NOLINTBEGIN(readability-identifier-naming,modernize-use-using): the names and forms are CUDA's

/// X(name, value, text): errors, as cudaGetErrorName and cudaGetErrorString tell them.
#define CONVSCALE_STANDIN_ERRORS(X)                                                        \
  X(cudaSuccess, 0, "no error")                                                            \
  X(cudaErrorInvalidValue, 1, "invalid argument")                                          \
  X(cudaErrorMemoryAllocation, 2, "out of memory")                                         \
  X(cudaErrorInitializationError, 3, "initialization error")                               \
  X(cudaErrorCudartUnloading, 4, "driver shutting down")                                   \
  X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                    \
  X(cudaErrorInvalidPitchValue, 12, "invalid pitch argument")                              \
  X(cudaErrorInvalidSymbol, 13, "invalid device symbol")                                   \
  X(cudaErrorInvalidDevicePointer, 17, "invalid device pointer")                           \
  X(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")              \
  X(cudaErrorInsufficientDriver, 35,                                                       \
    "CUDA driver version is insufficient for CUDA runtime version")                        \
  X(cudaErrorDevicesUnavailable, 46, "CUDA-capable device(s) is/are busy or unavailable")  \
  X(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                         \
  X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                          \
  X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                 \
  X(cudaErrorNoKernelImageForDevice, 209,                                                  \
    "no kernel image is available for execution on the device")                            \
  X(cudaErrorECCUncorrectable, 214, "uncorrectable ECC error encountered")                 \
  X(cudaErrorUnsupportedPtxVersion, 222,                                                   \
    "the provided PTX was compiled with an unsupported toolchain.")                        \
  X(cudaErrorOperatingSystem, 304, "OS call failed or operation not supported on this OS") \
  X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                        \
  X(cudaErrorNotReady, 600, "device not ready")                                            \
  X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")              \
  X(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")         \
  X(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")                \
  X(cudaErrorAssert, 710, "device-side assert triggered")                                  \
  X(cudaErrorHostMemoryAlreadyRegistered, 712,                                             \
    "part or all of the requested memory range is already mapped")                         \
  X(cudaErrorHostMemoryNotRegistered, 713,                                                 \
    "pointer does not correspond to a registered memory region")                           \
  X(cudaErrorMisalignedAddress, 716, "misaligned address")                                 \
  X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                             \
  X(cudaErrorNotPermitted, 800, "operation not permitted")                                 \
  X(cudaErrorNotSupported, 801, "operation not supported")                                 \
  X(cudaErrorSystemDriverMismatch, 803,                                                    \
    "system has unsupported display driver / cuda driver combination")                     \
  X(cudaErrorUnknown, 999, "unknown error")

enum cudaError {
#define CONVSCALE_STANDIN_VALUE(name, value, text) name = value,
  CONVSCALE_STANDIN_ERRORS(CONVSCALE_STANDIN_VALUE)
#undef CONVSCALE_STANDIN_VALUE
};
typedef enum cudaError cudaError_t;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
typedef struct cudaArray* cudaArray_t;
typedef void (*cudaHostFn_t)(void* user_data);

#define cudaStreamLegacy (reinterpret_cast<cudaStream_t>(0x1))

#define cudaHostAllocDefault 0x00u
#define cudaHostAllocPortable 0x01u
#define cudaHostAllocMapped 0x02u
#define cudaHostAllocWriteCombined 0x04u
#define cudaHostRegisterDefault 0x00u
#define cudaHostRegisterPortable 0x01u
#define cudaHostRegisterMapped 0x02u
#define cudaHostRegisterReadOnly 0x08u
#define cudaStreamDefault 0x00u
#define cudaStreamNonBlocking 0x01u
#define cudaEventDefault 0x00u
#define cudaEventBlockingSync 0x01u
#define cudaEventDisableTiming 0x02u
#define cudaEventRecordDefault 0x00u
#define cudaEventWaitDefault 0x00u
#define cudaDeviceScheduleAuto 0x00u
#define cudaDeviceScheduleSpin 0x01u
#define cudaDeviceScheduleYield 0x02u
#define cudaDeviceScheduleBlockingSync 0x04u
#define cudaDeviceScheduleMask 0x07u
#define cudaInitDeviceFlagsAreValid 0x01u

struct cudaPitchedPtr {
  void* ptr;
  size_t pitch;
  size_t xsize;
  size_t ysize;
};
struct cudaPos {
  size_t x, y, z;
};
struct cudaExtent {
  size_t width, height, depth;
};
struct cudaMemcpy3DParms {
  cudaArray_t srcArray;
  cudaPos srcPos;
  cudaPitchedPtr srcPtr;
  cudaArray_t dstArray;
  cudaPos dstPos;
  cudaPitchedPtr dstPtr;
  cudaExtent extent;
  cudaMemcpyKind kind;
};

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  size_t sharedMemPerBlock;
  int regsPerBlock;
  int warpSize;
  size_t memPitch;
  int maxThreadsPerBlock;
  int maxThreadsDim[3];
  int maxGridSize[3];
  size_t totalConstMem;
  int major;
  int minor;
  int multiProcessorCount;
  int integrated;
  int canMapHostMemory;
  int concurrentKernels;
  int ECCEnabled;
  int pciBusID;
  int pciDeviceID;
  int pciDomainID;
  int asyncEngineCount;
  int unifiedAddressing;
  int memoryBusWidth;
  int l2CacheSize;
  int maxThreadsPerMultiProcessor;
  size_t sharedMemPerMultiprocessor;
  int regsPerMultiprocessor;
  int pageableMemoryAccess;
  size_t sharedMemPerBlockOptin;
  int maxBlocksPerMultiProcessor;
  size_t reservedSharedMemPerBlock;
  int hostRegisterSupported;
  int hostNumaId;
};

enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxBlockDimX = 2,
  cudaDevAttrMaxBlockDimY = 3,
  cudaDevAttrMaxBlockDimZ = 4,
  cudaDevAttrMaxGridDimX = 5,
  cudaDevAttrMaxGridDimY = 6,
  cudaDevAttrMaxGridDimZ = 7,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMaxRegistersPerBlock = 12,
  cudaDevAttrClockRate = 13,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrIntegrated = 18,
  cudaDevAttrConcurrentKernels = 31,
  cudaDevAttrEccEnabled = 32,
  cudaDevAttrPciBusId = 33,
  cudaDevAttrPciDeviceId = 34,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrL2CacheSize = 38,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrAsyncEngineCount = 40,
  cudaDevAttrUnifiedAddressing = 41,
  cudaDevAttrPciDomainId = 50,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxRegistersPerMultiprocessor = 82,
  cudaDevAttrSingleToDoublePrecisionPerfRatio = 87,
  cudaDevAttrPageableMemoryAccess = 88,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrHostRegisterSupported = 99,
  cudaDevAttrMaxBlocksPerMultiprocessor = 106,
  cudaDevAttrReservedSharedMemoryPerBlock = 111,
  cudaDevAttrHostNumaId = 134
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum cudaSharedCarveout {
  cudaSharedmemCarveoutDefault = -1,
  cudaSharedmemCarveoutMaxShared = 100,
  cudaSharedmemCarveoutMaxL1 = 0
};
struct cudaFuncAttributes {
  size_t sharedSizeBytes;
  size_t constSizeBytes;
  size_t localSizeBytes;
  int maxThreadsPerBlock;
  int numRegs;
  int ptxVersion;
  int binaryVersion;
  int cacheModeCA;
  int maxDynamicSharedSizeBytes;
  int preferredShmemCarveout;
};

typedef enum cudaLaunchAttributeID {
  cudaLaunchAttributeIgnore = 0,
  cudaLaunchAttributeAccessPolicyWindow = 1,
  cudaLaunchAttributeCooperative = 2,
  cudaLaunchAttributeClusterDimension = 4,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6,
  cudaLaunchAttributePriority = 8
} cudaLaunchAttributeID;
typedef union cudaLaunchAttributeValue {
  char pad[64];
  int cooperative;
  struct {
    unsigned int x, y, z;
  } clusterDim;
  int programmaticStreamSerializationAllowed;
  int priority;
} cudaLaunchAttributeValue;
typedef struct cudaLaunchAttribute_st {
  cudaLaunchAttributeID id;
  char pad[8 - sizeof(cudaLaunchAttributeID)];
  cudaLaunchAttributeValue val;
} cudaLaunchAttribute;
typedef struct cudaLaunchConfig_st {
  dim3 gridDim;
  dim3 blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned int numAttrs;
} cudaLaunchConfig_t;

// NOLINTEND(readability-identifier-naming,modernize-use-using)
