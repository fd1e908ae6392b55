// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/config.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

/// What a kernel is, on every backend: one way to compute the convolution, ours or a library's.
namespace convscale {

/// What a kernel is asked to do for one worker.
struct Request {
  Request(const Shape& s, Method m, Dtype d, bool whole = true)
      : shape(s), method(m), dtype(d), whole_images(whole) {}
  explicit Request(const Config& c)
      : Request(c.shape, c.method, c.dtype, c.schedule != Schedule::kSplit) {}

  Shape shape;  ///< with outputs; `images`: the most that one run gets
  Method method;
  Dtype dtype;
  bool whole_images;  ///< no run gets a part of an image
};

/// A kernel that is set up for one request, outside of the timed region. It belongs to one worker
/// (a thread, a stream). The plans of a backend derive from this, and run.
class BasicPlan {
 public:
  BasicPlan() = default;
  virtual ~BasicPlan() = default;
  BasicPlan(const BasicPlan&) = delete;
  BasicPlan& operator=(const BasicPlan&) = delete;

  /// Bytes of memory that a run needs beside images, filters and results; 0 if none.
  virtual std::int64_t scratch_bytes() const { return 0; }
  /// It sums tap times pixel over each window and nothing else: FLOPs and the pixels that are read
  /// follow from the method.
  virtual bool direct() const { return true; }
  /// It may read pixels that no kept output's window covers (and give them no weight).
  virtual bool reads_all_pixels() const { return false; }
  /// The way that it takes inside, "polyphase"; empty if it has but one.
  virtual std::string path() const { return ""; }
};

/// A line in a backend's table. The kernel's name is that of its file in kernels/.
template <class PlanType, class RequestType>
struct BasicKernel {
  const char* name = nullptr;
  const char* description = nullptr;
  /// Why this build or machine lacks it; empty if it has it. Null: it is always there.
  std::function<std::string()> missing = nullptr;
  /// What of this machine it uses, for lists. Null: nothing.
  std::function<std::string()> uses = nullptr;
  /// Why it cannot do a request, in words that go on after its name; empty if it can. Null: it can
  /// do all.
  std::function<std::string(const RequestType&)> refuses = nullptr;
  std::function<std::unique_ptr<PlanType>(const RequestType&)> plan = nullptr;
};

/// `PlanOf<T>(request)` for the request's dtype.
template <class PlanType, template <class> class PlanOf, class RequestType>
std::unique_ptr<PlanType> make_plan(const RequestType& request) {
  return dispatch(request.dtype, [&]<class T>() -> std::unique_ptr<PlanType> {
    return std::make_unique<PlanOf<T>>(request);
  });
}

}  // namespace convscale
