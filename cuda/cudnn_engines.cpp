// SPDX-License-Identifier: Apache-2.0
#include "cuda/cudnn_engines.hpp"

#include "common/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <set>
#include <utility>

namespace convscale::cuda {
namespace {

void set_device(const CudnnTarget& target, CudnnDescriptor& descriptor,
                cudnnBackendAttributeName_t name) {
  if (target.device_properties != nullptr) descriptor.set(name, *target.device_properties);
}

/// What cuDNN's heuristics propose for `graph`, best first.
std::vector<CudnnDescriptor> proposals(const Cudnn& cudnn, const CudnnTarget& target,
                                       const CudnnDescriptor& graph, cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  set_device(target, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
  heuristics.finalize();
  // There may be fewer of them than are announced.
  return heuristics.get_descriptors(
      CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
      heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                     std::span<cudnnBackendDescriptor_t>()));
}

/// Engine `index` of those that `graph` has: its configuration, and behind it the engine.
std::vector<CudnnDescriptor> engine_of(const Cudnn& cudnn, const CudnnTarget& target,
                                       const CudnnDescriptor& graph, std::int64_t index) {
  CudnnDescriptor engine(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
  engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, index);
  set_device(target, engine, CUDNN_ATTR_ENGINE_DEVICEPROP);
  engine.finalize();
  CudnnDescriptor configuration(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  configuration.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  configuration.finalize();
  std::vector<CudnnDescriptor> both;
  both.push_back(std::move(configuration));
  both.push_back(std::move(engine));
  return both;
}

/// What its notes may say of an engine that will do. NaN are no concern; a tensor core multiplies
/// float64 as it is, but float32 only after it has rounded it to 10 bits.
bool is_harmless(cudnnBackendNumericalNote_t note, Dtype dtype) {
  return note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP ||
         (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && dtype == Dtype::kFloat64);
}

bool is_admissible(const CudnnDescriptor& engine, Dtype dtype) {
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const std::int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                        std::span<cudnnBackendNumericalNote_t>(notes));
  if (count > std::ssize(notes)) return false;  // notes of a newer cuDNN
  return std::all_of(notes.begin(), notes.begin() + count,
                     [&](cudnnBackendNumericalNote_t note) { return is_harmless(note, dtype); });
}

std::string name_of(const CudnnDescriptor& configuration, const CudnnDescriptor& engine) {
  std::string name = fmt::format(
      "eng{}", engine.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64));
  for (const CudnnDescriptor& choice : configuration.get_descriptors(
           CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
           CUDNN_KNOB_TYPE_COUNTS)) {
    name +=
        fmt::format("_k{}={}",
                    static_cast<int>(choice.get<cudnnBackendKnobType_t>(
                        CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE)),
                    choice.get<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64));
  }
  return name;
}

/// Collects plans.
class Search {
 public:
  Search(const Cudnn& cudnn, const CudnnTarget& target, Dtype dtype, std::int64_t workspace_limit,
         std::size_t most)
      : cudnn_(cudnn),
        target_(target),
        dtype_(dtype),
        workspace_limit_(workspace_limit),
        most_(most) {}

  bool is_full() const { return plans_.size() >= most_; }

  /// What cuDNN refuses counts only if nothing else works.
  template <class Step>
  void attempt(Step&& step) {
    try {
      if (!is_full()) step();
    } catch (const Error&) {
      refusal_ = std::current_exception();
    }
  }

  /// Adds a configuration, and what it was made of, if it will do.
  void add(std::vector<CudnnDescriptor> made_of) {
    attempt([&] {
      const CudnnDescriptor& configuration = made_of.front();
      const CudnnDescriptor engine(cudnn_, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
      cudnnBackendDescriptor_t descriptor = engine.get();
      configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                        std::span<cudnnBackendDescriptor_t>(&descriptor, 1));
      const std::string name = cuda::name_of(configuration, engine);
      if (!seen_.insert(name).second || !is_admissible(engine, dtype_)) return;
      CudnnDescriptor plan(cudnn_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (target_.handle != nullptr)
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target_.handle);
      set_device(target_, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
      plan.finalize();
      const auto workspace_bytes =
          plan.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64);
      if (workspace_bytes > workspace_limit_) return;
      plans_.push_back({name, std::move(made_of), std::move(plan), workspace_bytes});
    });
  }

  /// The plans; throws if there are none.
  std::vector<CudnnPlan> result() {
    if (!plans_.empty()) return std::move(plans_);
    if (refusal_) std::rethrow_exception(refusal_);
    throw UnsupportedError(
        fmt::format("cuDNN has no engine for this convolution that sums directly in full "
                    "precision, with at most {} bytes of workspace",
                    workspace_limit_));
  }

 private:
  const Cudnn& cudnn_;
  const CudnnTarget& target_;
  const Dtype dtype_;
  const std::int64_t workspace_limit_;
  const std::size_t most_;
  std::set<std::string> seen_;
  std::vector<CudnnPlan> plans_;
  std::exception_ptr refusal_;
};

}  // namespace

std::vector<CudnnPlan> plan_engines(const Cudnn& cudnn, const CudnnTarget& target,
                                    const CudnnDescriptor& graph, Dtype dtype,
                                    std::int64_t workspace_limit, std::size_t most) {
  Search search(cudnn, target, dtype, workspace_limit, most);
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    search.attempt([&] {
      for (CudnnDescriptor& configuration : proposals(cudnn, target, graph, mode)) {
        std::vector<CudnnDescriptor> made_of;
        made_of.push_back(std::move(configuration));
        search.add(std::move(made_of));
      }
    });
  }
  std::int64_t engines = 0;
  search.attempt([&] {
    engines =
        graph.get<std::int64_t>(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64);
  });
  for (std::int64_t index = 0; index < engines && !search.is_full(); ++index) {
    // Most of them are for other operations, and say so.
    try {
      search.add(engine_of(cudnn, target, graph, index));
    } catch (const Error&) {
      continue;
    }
  }
  return search.result();
}

}  // namespace convscale::cuda
