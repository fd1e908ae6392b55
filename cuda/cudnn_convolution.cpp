// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_convolution.hpp"

#include "common/error.hpp"
#include "common/summary.hpp"
#include "cuda/geometry.hpp"
#include "cuda/resources.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <utility>

namespace convscale::cuda {
namespace {

enum Tensor : std::int64_t { kImages = 1, kFilters, kOutputs };

cudnnDataType_t data_type(Dtype dtype) {
  return dtype == Dtype::kFloat64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
}

/// A contiguous tensor that starts on a multiple of `alignment` bytes.
CudnnDescriptor make_tensor(const Cudnn& cudnn, Tensor id, Dtype dtype, std::int64_t alignment,
                            const std::array<std::int64_t, 4>& sizes) {
  std::array<std::int64_t, 4> strides{};
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0; stride *= sizes[i]) strides[i] = stride;
  CudnnDescriptor tensor(cudnn, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, static_cast<std::int64_t>(id));
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, data_type(dtype));
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64,
             std::max(alignment, size_of(dtype)));
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
                      Dtype dtype, const Alignment& alignment) {
  const Geometry g(shape);
  const std::int64_t n = shape.images;
  CudnnDescriptor images =
      make_tensor(cudnn, kImages, dtype, alignment.images, {1, n, g.height, g.width});
  CudnnDescriptor filters =
      make_tensor(cudnn, kFilters, dtype, alignment.filters, {n, 1, g.filter_size, g.filter_size});
  CudnnDescriptor outputs =
      make_tensor(cudnn, kOutputs, dtype, alignment.results, {1, n, g.out_height, g.out_width});
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

constexpr int kRounds = 7;

/// A plan that is timed.
struct Candidate {
  std::size_t plan = 0;
  std::vector<double> times_s;
  double median_s() const { return median_of(times_s); }
};

const Candidate& fastest(const std::vector<Candidate>& candidates) {
  return *std::min_element(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.median_s() < b.median_s(); });
}

}  // namespace

CudnnConvolution::CudnnConvolution(const Cudnn& cudnn, const CudnnTarget& target,
                                   const Shape& shape, Dtype dtype, const Alignment& alignment,
                                   std::int64_t workspace_limit, std::size_t engines)
    : cudnn_(&cudnn),
      graph_(make_graph(cudnn, target, shape, dtype, alignment)),
      plans_(plan_engines(cudnn, target, graph_.graph, dtype, workspace_limit, engines)) {
  for (const CudnnPlan& plan : plans_)
    workspace_bytes_ = std::max(workspace_bytes_, plan.workspace_bytes);
}

std::vector<std::string> CudnnConvolution::engines() const {
  std::vector<std::string> names;
  for (const CudnnPlan& plan : plans_) names.push_back(plan.engine);
  return names;
}

void CudnnConvolution::execute(const CudnnPlan& plan, cudnnHandle_t handle,
                               const CudnnBuffers& buffers) const {
  const std::array<std::int64_t, 3> ids = {kImages, kFilters, kOutputs};
  const std::array<const void*, 3> pointers = {buffers.d_images, buffers.d_filters,
                                               buffers.d_outputs};
  CudnnDescriptor arguments(*cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  arguments.set<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span(ids));
  arguments.set<const void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                             std::span(pointers));
  arguments.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, buffers.d_workspace);
  arguments.finalize();
  CONVSCALE_CHECK_CUDNN(*cudnn_, cudnnBackendExecute, handle, plan.plan.get(), arguments.get());
}

double CudnnConvolution::time(const CudnnPlan& plan, cudnnHandle_t handle, cudaStream_t stream,
                              const CudnnBuffers& buffers) const {
  const Event begin, end;
  CONVSCALE_CUDA(cudaEventRecord(begin.get(), stream));
  execute(plan, handle, buffers);
  CONVSCALE_CUDA(cudaEventRecord(end.get(), stream));
  end.synchronize();
  return seconds_between(begin, end);
}

void CudnnConvolution::tune(cudnnHandle_t handle, cudaStream_t stream, const CudnnBuffers& buffers,
                            double budget_s) {
  tuned_ = true;
  const auto begin = std::chrono::steady_clock::now();
  const auto is_over = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() >
           budget_s;
  };
  // What is loaded and compiled when an engine is first used is no part of its time.
  std::vector<Candidate> able;
  std::exception_ptr failure;
  for (std::size_t i = 0; i < plans_.size() && (able.empty() || !is_over()); ++i) {
    try {
      time(plans_[i], handle, stream, buffers);
      able.push_back({i, {}});
    } catch (const Error&) {
      failure = std::current_exception();
      ignore(cudaGetLastError());  // a launch that was refused leaves it behind
    }
  }
  if (able.empty()) std::rethrow_exception(failure);
  // In turn, so that clocks that go up meanwhile favour none.
  for (int round = 0; round < kRounds && (round == 0 || !is_over()); ++round) {
    for (Candidate& candidate : able)
      candidate.times_s.push_back(time(plans_[candidate.plan], handle, stream, buffers));
    const double least_s = fastest(able).median_s();
    std::erase_if(able, [&](const Candidate& each) { return each.median_s() > 3 * least_s; });
  }
  std::vector<CudnnPlan> chosen;
  chosen.push_back(std::move(plans_[fastest(able).plan]));
  plans_ = std::move(chosen);
}

}  // namespace convscale::cuda
