// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_convolution.hpp"

#include "common/error.hpp"
#include "cuda/geometry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace convscale::cuda {
namespace {

enum Tensor : std::int64_t { kImages = 1, kFilters, kOutputs };

cudnnDataType_t data_type(Dtype dtype) {
  return dtype == Dtype::kFloat64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
}

/// A contiguous tensor whose memory is aligned to an element.
CudnnDescriptor make_tensor(const Cudnn& cudnn, Tensor id, Dtype dtype,
                            const std::array<std::int64_t, 4>& sizes) {
  std::array<std::int64_t, 4> strides{};
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0; stride *= sizes[i]) strides[i] = stride;
  CudnnDescriptor tensor(cudnn, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, static_cast<std::int64_t>(id));
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, data_type(dtype));
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, size_of(dtype));
  tensor.set<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span(sizes));
  tensor.set<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span(strides));
  tensor.finalize();
  return tensor;
}

CudnnDescriptor make_convolution(const Cudnn& cudnn, const Geometry& g, Dtype dtype) {
  const std::array<std::int64_t, 2> padding = {g.filter_size - 1, g.filter_size - 1};
  const std::array<std::int64_t, 2> strides = {g.stride, g.stride};
  const std::array<std::int64_t, 2> dilations = {1, 1};
  CudnnDescriptor convolution(cudnn, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, data_type(dtype));
  convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CONVOLUTION);
  convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2});
  for (const auto& [name, values] : {std::pair(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &padding),
                                     std::pair(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &padding),
                                     std::pair(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &strides),
                                     std::pair(CUDNN_ATTR_CONVOLUTION_DILATIONS, &dilations)}) {
    convolution.set<std::int64_t>(name, CUDNN_TYPE_INT64, std::span(*values));
  }
  convolution.finalize();
  return convolution;
}

/// outputs = 1 * convolution(images, filters) + 0 * outputs.
CudnnDescriptor make_operation(const Cudnn& cudnn, const CudnnDescriptor& convolution,
                               const CudnnDescriptor& images, const CudnnDescriptor& filters,
                               const CudnnDescriptor& outputs, Dtype dtype) {
  CudnnDescriptor operation(cudnn, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, images);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, filters);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, outputs);
  dispatch(dtype, [&]<class T>() {
    const auto type = dtype == Dtype::kFloat64 ? CUDNN_TYPE_DOUBLE : CUDNN_TYPE_FLOAT;
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, type, T{1});
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, type, T{0});
  });
  operation.finalize();
  return operation;
}

CudnnGraph make_graph(const Cudnn& cudnn, const CudnnTarget& target, const Shape& shape,
                      Dtype dtype) {
  const Geometry g(shape);
  const std::int64_t n = shape.images;
  CudnnDescriptor images = make_tensor(cudnn, kImages, dtype, {1, n, g.height, g.width});
  CudnnDescriptor filters =
      make_tensor(cudnn, kFilters, dtype, {n, 1, g.filter_size, g.filter_size});
  CudnnDescriptor outputs = make_tensor(cudnn, kOutputs, dtype, {1, n, g.out_height, g.out_width});
  CudnnDescriptor convolution = make_convolution(cudnn, g, dtype);
  CudnnDescriptor operation = make_operation(cudnn, convolution, images, filters, outputs, dtype);
  CudnnDescriptor graph(cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  if (target.handle != nullptr) {
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  }
  graph.finalize();
  return {std::move(images),      std::move(filters),   std::move(outputs),
          std::move(convolution), std::move(operation), std::move(graph)};
}

/// What cuDNN's heuristics propose for `graph`, best first.
std::vector<CudnnDescriptor> proposals(const Cudnn& cudnn, const CudnnTarget& target,
                                       const CudnnDescriptor& graph, cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (target.device_properties != nullptr) {
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.device_properties);
  }
  heuristics.finalize();
  const auto count = static_cast<std::size_t>(
      heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                     std::span<cudnnBackendDescriptor_t>()));
  std::vector<CudnnDescriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> descriptors;
  for (std::size_t i = 0; i < count; ++i) {
    configurations.emplace_back(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    descriptors.push_back(configurations.back().get());
  }
  const std::int64_t written = heuristics.get(
      CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span(descriptors));
  // There may be fewer of them than were announced.
  while (std::ssize(configurations) > written) configurations.pop_back();
  return configurations;
}

/// True for an engine that sums tap times pixel in the arithmetic of the dtype, always in the same
/// order. What its notes may say beside that concerns NaN only.
bool is_admissible(const Cudnn& cudnn, const CudnnDescriptor& configuration) {
  const CudnnDescriptor engine(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t descriptor = engine.get();
  configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                    std::span<cudnnBackendDescriptor_t>(&descriptor, 1));
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const std::int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                        std::span<cudnnBackendNumericalNote_t>(notes));
  if (count > std::ssize(notes)) return false;  // notes of a newer cuDNN
  return std::all_of(notes.begin(), notes.begin() + count, [](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP;
  });
}

CudnnDescriptor make_plan(const Cudnn& cudnn, const CudnnTarget& target,
                          const CudnnDescriptor& configuration) {
  CudnnDescriptor plan(cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (target.handle != nullptr) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  }
  if (target.device_properties != nullptr) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device_properties);
  }
  plan.finalize();
  return plan;
}

std::int64_t workspace_of(const CudnnDescriptor& plan) {
  std::int64_t bytes = 0;
  plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
           std::span<std::int64_t>(&bytes, 1));
  return bytes;
}

/// The first proposal that will do. Some of the engines that heuristics propose cannot do it after
/// all, so a refusal counts only if nothing else works.
CudnnPlan choose_plan(const Cudnn& cudnn, const CudnnTarget& target, const CudnnDescriptor& graph,
                      std::int64_t workspace_limit) {
  std::string refusal = fmt::format(
      "cuDNN has no engine for this convolution that sums directly in full precision, with "
      "at most {} bytes of workspace",
      workspace_limit);
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    try {
      for (CudnnDescriptor& configuration : proposals(cudnn, target, graph, mode)) {
        if (!is_admissible(cudnn, configuration)) continue;
        try {
          CudnnDescriptor plan = make_plan(cudnn, target, configuration);
          if (workspace_of(plan) <= workspace_limit) {
            return {std::move(configuration), std::move(plan)};
          }
        } catch (const UnsupportedError& error) {
          refusal = error.what();
        }
      }
    } catch (const UnsupportedError& error) {
      refusal = error.what();
    }
  }
  throw UnsupportedError(refusal);
}

}  // namespace

CudnnDescriptor::CudnnDescriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type)
    : cudnn_(&cudnn) {
  CONVSCALE_CHECK_CUDNN(cudnn, cudnnBackendCreateDescriptor, type, &descriptor_);
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_ != nullptr) cudnn_->cudnnBackendDestroyDescriptor(descriptor_);
}

CudnnDescriptor::CudnnDescriptor(CudnnDescriptor&& other) noexcept
    : cudnn_(other.cudnn_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}

CudnnDescriptor& CudnnDescriptor::operator=(CudnnDescriptor&& other) noexcept {
  std::swap(cudnn_, other.cudnn_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void CudnnDescriptor::set_bytes(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                std::int64_t count, const void* values) {
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendSetAttribute, descriptor_, name, type, count, values);
}

std::int64_t CudnnDescriptor::get_bytes(cudnnBackendAttributeName_t name,
                                        cudnnBackendAttributeType_t type, std::int64_t count,
                                        void* values) const {
  std::int64_t available = 0;
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendGetAttribute, descriptor_, name, type, count,
                        &available, values);
  return available;
}

void CudnnDescriptor::finalize() {
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendFinalize, descriptor_);
}

CudnnConvolution::CudnnConvolution(const Cudnn& cudnn, const CudnnTarget& target,
                                   const Shape& shape, Dtype dtype, std::int64_t workspace_limit)
    : cudnn_(&cudnn),
      graph_(make_graph(cudnn, target, shape, dtype)),
      plan_(choose_plan(cudnn, target, graph_.graph, workspace_limit)),
      workspace_bytes_(workspace_of(plan_.plan)) {}

void CudnnConvolution::execute(cudnnHandle_t handle, const std::byte* d_images,
                               const std::byte* d_filters, std::byte* d_outputs,
                               std::byte* d_workspace) const {
  const std::array<std::int64_t, 3> ids = {kImages, kFilters, kOutputs};
  const std::array<const void*, 3> pointers = {d_images, d_filters, d_outputs};
  CudnnDescriptor arguments(*cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  arguments.set<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span(ids));
  arguments.set<const void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                             std::span(pointers));
  arguments.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, d_workspace);
  arguments.finalize();
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendExecute, handle, plan_.plan.get(), arguments.get());
}

}  // namespace convscale::cuda
