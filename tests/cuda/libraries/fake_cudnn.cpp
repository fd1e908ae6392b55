// SPDX-License-Identifier: Apache-2.0
// A libcudnn.so.9 for tests: the part of the graph API that a convolution needs, computed by the
// stand-in for the CUDA runtime in the handle's stream. It is stricter than the real one: what a
// descriptor was made of must still live when it is used.
//
// FAKE_CUDNN_FAIL=cudnnBackendExecute:5000  that function returns that status
// FAKE_CUDNN_PROPOSE=a                      heuristics know nothing, only the fallback does
// FAKE_CUDNN_PROPOSE=none                   there are only engines that must not be used
// FAKE_CUDNN_FASTEST=eng28_k2=5             takes a millisecond, as events tell; all others ten
// FAKE_CUDNN_BROKEN=eng28_k2=5              fails when it is executed, with no harm; all: they all
// do FAKE_CUDNN_VERSION=10000                  what it says of itself (90102)
#include "cuda/libraries/fake_cudnn.hpp"

#include "cuda/libraries/fake_cudnn_operation.hpp"
#include "tests/cuda/standin/standin.hpp"

#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace fake_cudnn {
namespace {

// "Full" is the precision of the dtype.
enum Engine : int {
  kStrict = 0,       // what the fallback proposes
  kHidden = 2,       // no heuristics propose it
  kFourier = 3,      // must not be used: does not sum directly
  kSimple = 28,      // needs workspace; heuristics choose 4 or 5 for its knob
  kHungry = 40,      // must not be used: a terabyte of workspace
  kUnable = 41,      // turns out to be unable
  kAny = 42,         // must not be used: another order of summation each time
  kRounding = 45,    // must not be used: not full precision, in either dtype
  kAligned = 50,     // wants all tensors on 16 bytes
  kTensorCore = 67,  // full precision in float64 alone
  kEngines
};

bool exists(int engine) {
  const bool useless = engine == kFourier || engine == kHungry || engine == kRounding;
  if (proposes("none")) return useless || engine == kTensorCore;
  return useless || engine == kStrict || engine == kHidden || engine == kSimple ||
         engine == kUnable || engine == kAny || engine == kAligned || engine == kTensorCore;
}

std::string name_of(const Descriptor& d) {
  std::string name = "eng" + std::to_string(d.engine);
  return d.choice == 0 ? name : name + "_k2=" + std::to_string(d.choice);
}

struct Handle {
  cudaStream_t stream = nullptr;
};

const Descriptor& operation_of(const Descriptor& graph) {
  return child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
}

std::vector<cudnnBackendNumericalNote_t> notes_of(int engine) {
  switch (engine) {
    case kTensorCore:
      return {CUDNN_NUMERICAL_NOTE_TENSOR_CORE};
    case kRounding:
      return {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS};
    case kFourier:
      return {CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP};
    case kAny:
      return {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC};
    case kStrict:
      return {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP};
    default:
      return {};
  }
}

std::int64_t workspace_of(int engine) {
  if (engine == kHungry) return std::int64_t{1} << 40;
  return engine == kSimple ? 1000 : 0;
}

/// An engine, and a choice for its knob.
using Proposal = std::pair<int, int>;

std::vector<Proposal> proposals(const Descriptor& heuristics) {
  const auto mode = value<cudnnBackendHeurMode_t>(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE);
  if (proposes("none")) return {{kTensorCore, 0}, {kHungry, 0}, {kFourier, 0}};
  if (mode == CUDNN_HEUR_MODE_FALLBACK) return {{kFourier, 0}, {kStrict, 0}};
  const int choice = mode == CUDNN_HEUR_MODE_A ? 4 : 5;
  return {{kRounding, 0}, {kFourier, 0},     {kAny, 0},    {kHungry, 0},
          {kUnable, 0},   {kSimple, choice}, {kStrict, 0}, {kSimple, 4}};
}

// ---- Execution ----

struct Job {
  Operation operation;
  int engine = -1;
  float takes_ms = 0;
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  void* workspace = nullptr;

  static void run(void* pointer) {
    const auto* job = static_cast<Job*>(pointer);
    convscale::standin::pass(job->takes_ms);
    if (job->engine == kSimple)
      std::memset(job->workspace, 0xff, static_cast<std::size_t>(workspace_of(kSimple)));
    if (job->operation.x.dtype == CUDNN_DATA_DOUBLE) {
      convolve(job->operation, static_cast<const double*>(job->x),
               static_cast<const double*>(job->w), static_cast<double*>(job->y));
    } else {
      convolve(job->operation, static_cast<const float*>(job->x), static_cast<const float*>(job->w),
               static_cast<float*>(job->y));
    }
    delete job;
  }
};

void* pointer_of(const Descriptor& pack, const Tensor& tensor) {
  const auto ids = values<std::int64_t>(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, 3);
  const auto pointers = values<void*>(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, 3);
  const auto found = std::find(ids.begin(), ids.end(), tensor.id);
  require(found != ids.end(), "no pointer of a tensor");
  void* pointer = pointers[static_cast<std::size_t>(found - ids.begin())];
  require(pointer != nullptr && reinterpret_cast<std::uintptr_t>(pointer) %
                                        static_cast<std::uintptr_t>(tensor.alignment) ==
                                    0,
          "a misaligned tensor", CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER);
  return pointer;
}

void execute(cudnnHandle_t handle, const Descriptor& plan, const Descriptor& pack) {
  const Descriptor& configuration = child(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const Descriptor& graph = child(configuration, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  require(library.handles.contains(handle), "not a handle");
  require(value<cudnnHandle_t>(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE) == handle &&
              value<cudnnHandle_t>(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE) == handle,
          "made for another handle");
  require(!is("FAKE_CUDNN_BROKEN", name_of(configuration)) && !is("FAKE_CUDNN_BROKEN", "all"),
          "a broken engine", CUDNN_STATUS_EXECUTION_FAILED);
  library.executed = name_of(configuration);
  const Operation operation(operation_of(graph));
  auto* workspace = value<void*>(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  require(workspace_of(configuration.engine) == 0 ||
              (workspace != nullptr && reinterpret_cast<std::uintptr_t>(workspace) % 256 == 0),
          "workspace");
  auto* job = new Job{operation,
                      configuration.engine,
                      is("FAKE_CUDNN_FASTEST", name_of(configuration)) ? 1.0F : 10.0F,
                      pointer_of(pack, operation.x),
                      pointer_of(pack, operation.w),
                      pointer_of(pack, operation.y),
                      workspace};
  const cudaStream_t stream = reinterpret_cast<Handle*>(handle)->stream;
  const bool queued = cudaLaunchHostFunc(stream, &Job::run, job) == cudaSuccess;
  if (!queued) delete job;
  require(queued, "the stream takes nothing", CUDNN_STATUS_EXECUTION_FAILED_CUDART);
}

/// What finalizing checks, by the kind of the descriptor.
void finalize(Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      Tensor{d};
      break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      Operation{d};
      break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      operation_of(d);
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      child(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
      require(!proposes("a") || value<cudnnBackendHeurMode_t>(d, CUDNN_ATTR_ENGINEHEUR_MODE) ==
                                    CUDNN_HEUR_MODE_FALLBACK,
              "heuristics know nothing of it", CUDNN_STATUS_NOT_SUPPORTED);
      break;
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
      d.engine = static_cast<int>(value<std::int64_t>(d, CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
      child(d, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
      require(exists(d.engine), "not for a convolution", CUDNN_STATUS_NOT_SUPPORTED);
      break;
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: {
      const Descriptor& engine = child(d, CUDNN_ATTR_ENGINECFG_ENGINE);
      d.engine = engine.engine;
      d.attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] =
          engine.attributes.at(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
      break;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      const Descriptor& configuration = child(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      d.engine = configuration.engine;
      require(d.engine != kUnable, "engine 41 is unable", CUDNN_STATUS_NOT_SUPPORTED_SHAPE);
      const Operation o(operation_of(child(configuration, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)));
      require(d.engine != kAligned ||
                  (o.x.alignment % 16 == 0 && o.w.alignment % 16 == 0 && o.y.alignment % 16 == 0),
              "not aligned", CUDNN_STATUS_NOT_SUPPORTED);
      ++library.plans;
      break;
    }
    default:
      break;
  }
  d.finalized = true;
}

/// Copies at most `capacity` of `all`.
template <class T>
void give(const std::vector<T>& all, std::int64_t capacity, std::int64_t* count, void* out) {
  *count = static_cast<std::int64_t>(all.size());
  const auto copied = static_cast<std::size_t>(std::min(capacity, *count));
  if (copied > 0) std::memcpy(out, all.data(), copied * sizeof(T));
}

void make_engine(void* pointer, const Proposal& proposal, const Descriptor& graph_of) {
  Descriptor& made = alive(pointer, false);
  std::tie(made.engine, made.choice) = proposal;
  made.attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] =
      graph_of.attributes.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  made.finalized = true;
}

void get(const Descriptor& d, cudnnBackendAttributeName_t name, std::int64_t capacity,
         std::int64_t* count, void* out) {
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      const std::vector<Proposal> engines = proposals(d);
      *count = static_cast<std::int64_t>(engines.size());
      for (std::int64_t i = 0; i < std::min(capacity, *count); ++i) {
        make_engine(static_cast<void**>(out)[i], engines[static_cast<std::size_t>(i)], d);
      }
      break;
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      *count = 1;
      make_engine(*static_cast<void**>(out), {d.engine, 0}, d);
      break;
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
      *count = d.choice == 0 ? 0 : 1;
      if (*count > 0 && capacity > 0) make_engine(*static_cast<void**>(out), {-1, d.choice}, d);
      break;
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE:
      give(std::vector{CUDNN_KNOB_TYPE_TILE_SIZE}, capacity, count, out);
      break;
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE:
      give(std::vector{std::int64_t{d.choice}}, capacity, count, out);
      break;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      give(std::vector{std::int64_t{d.engine}}, capacity, count, out);
      break;
    case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT:
      give(std::vector{std::int64_t{kEngines}}, capacity, count, out);
      break;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      give(notes_of(d.engine), capacity, count, out);
      break;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      give(std::vector{workspace_of(d.engine)}, capacity, count, out);
      break;
    default:
      require(false, "cannot get attribute " + std::to_string(name));
  }
}

}  // namespace
}  // namespace fake_cudnn

using namespace fake_cudnn;

// NOLINTBEGIN(readability-identifier-naming,readability-inconsistent-declaration-parameter-name):
// the names are cuDNN's
extern "C" {

/// For tests: handles and descriptors that live.
int fake_cudnn_live() {
  return static_cast<int>(library.handles.size() + library.descriptors.size());
}

/// For tests: the engine that was executed last, "eng28_k2=5".
const char* fake_cudnn_executed() { return library.executed.c_str(); }

/// For tests: convolutions that began with an image that is NaN or 0 there.
int fake_cudnn_on_nothing() { return library.on_nothing; }

/// For tests: plans that were made so far.
int fake_cudnn_plans() { return library.plans; }

size_t cudnnGetVersion() {
  const char* version = std::getenv("FAKE_CUDNN_VERSION");
  return version == nullptr ? 90102 : static_cast<size_t>(std::atoi(version));
}

const char* cudnnGetErrorString(cudnnStatus_t status) {
  if (status == CUDNN_STATUS_NOT_SUPPORTED_SHAPE) return "CUDNN_STATUS_NOT_SUPPORTED_SHAPE";
  return status == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                 : "CUDNN_STATUS_OTHER";
}

void cudnnGetLastErrorString(char* message, size_t size) {
  std::strncpy(message, library.last_error.c_str(), size - 1);
  message[size - 1] = '\0';
  library.last_error.clear();
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return call("cudnnCreate", [&] {
    int device = 0;
    require(cudaGetDevice(&device) == cudaSuccess, "no device", CUDNN_STATUS_NOT_INITIALIZED);
    *handle = reinterpret_cast<cudnnHandle_t>(new Handle);
    library.handles.insert(*handle);
  });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  return call("cudnnDestroy", [&] {
    require(library.handles.erase(handle) == 1, "not a handle");
    delete reinterpret_cast<Handle*>(handle);
  });
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return call("cudnnSetStream", [&] {
    require(library.handles.contains(handle), "not a handle");
    reinterpret_cast<Handle*>(handle)->stream = stream;
  });
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  return call("cudnnBackendCreateDescriptor", [&] {
    auto* made = new Descriptor{.type = type};
    library.descriptors.insert(made);
    *descriptor = made;
  });
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  return call("cudnnBackendDestroyDescriptor", [&] {
    auto* destroyed = static_cast<Descriptor*>(descriptor);
    require(library.descriptors.erase(destroyed) == 1, "a descriptor that does not live");
    delete destroyed;
  });
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* elements) {
  return call("cudnnBackendSetAttribute", [&] {
    static const std::map<int, std::size_t> kSizes = {
        {CUDNN_TYPE_HANDLE, sizeof(void*)},
        {CUDNN_TYPE_DATA_TYPE, sizeof(cudnnDataType_t)},
        {CUDNN_TYPE_INT64, sizeof(std::int64_t)},
        {CUDNN_TYPE_FLOAT, sizeof(float)},
        {CUDNN_TYPE_DOUBLE, sizeof(double)},
        {CUDNN_TYPE_VOID_PTR, sizeof(void*)},
        {CUDNN_TYPE_CONVOLUTION_MODE, sizeof(cudnnConvolutionMode_t)},
        {CUDNN_TYPE_HEUR_MODE, sizeof(cudnnBackendHeurMode_t)},
        {CUDNN_TYPE_BACKEND_DESCRIPTOR, sizeof(void*)}};
    const auto* bytes = static_cast<const char*>(elements);
    const std::size_t size = static_cast<std::size_t>(count) * kSizes.at(type);
    alive(descriptor, false).attributes[name] = {type, {bytes, bytes + size}};
  });
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t capacity,
                                       int64_t* count, void* elements) {
  return call("cudnnBackendGetAttribute",
              [&] { get(alive(descriptor, true), name, capacity, count, elements); });
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return call("cudnnBackendFinalize", [&] { finalize(alive(descriptor, false)); });
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  return call("cudnnBackendExecute",
              [&] { execute(handle, alive(plan, true), alive(pack, true)); });
}
}
// NOLINTEND(readability-identifier-naming,readability-inconsistent-declaration-parameter-name)
