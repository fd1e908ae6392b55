// SPDX-License-Identifier: Apache-2.0
// vector: strided only. One thread makes V neighbouring outputs, so many that their windows start
// anew on 16 bytes: 2 of float64 or 4 of float32 with S = 5.
//
//     result[r][c] = sum over ky, kx of image[S r - ky][S c - kx] * taps[ky][kx]
//
// K = 4, S = 5: 32 FLOPs an output; four rows of five are read, each pixel of them once: 160 bytes
// a float64 output. Nothing is shared, so there is nothing to wait for but memory. nvcc 13 for
// sm_90: 40 registers (float64) and 48 (float32), no spills, 20 loads a thread of which a row's
// five are issued together; loads whose other half no window covers become 8-byte ones. Not
// measured yet: no device was at hand.
//
// For pairs of K and S that are compiled, and rows that start on 16 bytes; `tiled` does the others.
#include "cuda/geometry.hpp"
#include "cuda/kernel.hpp"
#include "cuda/kernels/pack.hpp"
#include "cuda/launch.hpp"

#include <algorithm>
#include <numeric>
#include <string>

namespace convscale::cuda {
namespace {

constexpr int kThreads = 128;
/// Threads of one launch, so that they are numbered in 32 bits.
constexpr std::int64_t kMostThreads = std::int64_t{1} << 30;

template <class T>
struct Strided {
  const T* d_images;
  const T* d_filters;
  T* d_results;
  Geometry g;
};

/// What one thread covers: outputs V, and columns from `kLead` before its first output's own.
template <class T, int kK, int kS>
struct Span {
  static constexpr int kElements = Pack<T>::kElements;
  static constexpr int kOutputs = 16 / std::gcd(16, static_cast<int>(sizeof(T)) * kS);
  static constexpr int kLead = (kK - 1 + kElements - 1) / kElements * kElements;
  static constexpr int kPacks = (kLead + (kOutputs - 1) * kS + kElements) / kElements;
};

template <class T, int kK, int kS>
__global__ void __launch_bounds__(kThreads)
    strided_vector(Strided<T> work, unsigned groups, unsigned threads) {
  using P = Pack<T>;
  using W = Span<T, kK, kS>;
  const unsigned index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= threads) return;
  const Geometry& g = work.g;
  const auto group = static_cast<int>(index % groups);
  const unsigned line = index / groups;
  const auto rows = static_cast<unsigned>(g.out_height);
  const auto row = static_cast<int>(line % rows);
  const std::int64_t image = line / rows;

  P pixels[kK][W::kPacks];
  const T* d_image = work.d_images + image * g.pixels();
  const int first_column = group * W::kOutputs * kS - W::kLead;
#pragma unroll
  for (int ky = 0; ky < kK; ++ky) {
    const int y = row * kS - ky;
    const bool inside = y >= 0 && y < g.height;
#pragma unroll
    for (int p = 0; p < W::kPacks; ++p) {
      pixels[ky][p] = load_pixels<T, true>(d_image + std::int64_t{inside ? y : 0} * g.width,
                                           inside ? first_column + p * P::kElements : -1, g.width);
    }
  }

  const T* d_taps = work.d_filters + image * kK * kK;
  T sum[W::kOutputs] = {};
#pragma unroll
  for (int ky = 0; ky < kK; ++ky) {
#pragma unroll
    for (int kx = 0; kx < kK; ++kx) {
      const T tap = __ldg(d_taps + ky * kK + kx);
#pragma unroll
      for (int v = 0; v < W::kOutputs; ++v) {
        const int column = W::kLead + v * kS - kx;
        sum[v] += pixels[ky][column / P::kElements].element[column % P::kElements] * tap;
      }
    }
  }

  const int column = group * W::kOutputs;
  T* d_row = work.d_results + image * g.outputs() + std::int64_t{row} * g.out_width;
#pragma unroll
  for (int v = 0; v < W::kOutputs; ++v) {
    if (column + v < g.out_width) d_row[column + v] = sum[v];
  }
}

template <class T, int kK, int kS>
void launch_vector(const Strided<T>& work, std::int64_t images, cudaStream_t stream) {
  const std::int64_t groups = divided_up(work.g.out_width, Span<T, kK, kS>::kOutputs);
  const std::int64_t threads = images * work.g.out_height * groups;
  const auto strided_vector_kernel = &strided_vector<T, kK, kS>;
  CONVSCALE_LAUNCH(strided_vector_kernel,
                   dim3(static_cast<unsigned>(divided_up(threads, kThreads))), dim3(kThreads), 0,
                   stream, work, static_cast<unsigned>(groups), static_cast<unsigned>(threads));
}

template <class T>
using Launcher = void (*)(const Strided<T>&, std::int64_t images, cudaStream_t);

/// Null for pairs of K and S that are not compiled.
template <class T>
Launcher<T> launcher_of(const Shape& shape) {
  const auto is = [&](int k, int s) {
    return shape.filter_size == FilterSize(k) && shape.stride == s;
  };
  if (is(4, 5)) return &launch_vector<T, 4, 5>;
  if (is(4, 4)) return &launch_vector<T, 4, 4>;
  if (is(3, 1)) return &launch_vector<T, 3, 1>;
  if (is(3, 2)) return &launch_vector<T, 3, 2>;
  if (is(5, 2)) return &launch_vector<T, 5, 2>;
  if (is(5, 5)) return &launch_vector<T, 5, 5>;
  return nullptr;
}

template <class T>
std::string why_not(const Request& request) {
  if (request.method == Method::kFull) return "it does method strided only";
  if (launcher_of<T>(request.shape) == nullptr) {
    return "of K and S it does 4 and 5, 4 and 4, 3 and 1, 3 and 2, 5 and 2, 5 and 5";
  }
  if (!rows_are_aligned<T>(request.shape.width)) {
    return "it does images whose width is a multiple of " + std::to_string(Pack<T>::kElements);
  }
  return request.shape.outputs() <= kMostThreads ? "" : "it does images of at most 2^30 outputs";
}

template <class T>
class VectorPlan final : public Plan {
 public:
  explicit VectorPlan(const Request& request)
      : g_(request.shape), launcher_(launcher_of<T>(request.shape)) {}

  void launch(const Batch& batch, cudaStream_t stream) override {
    const std::int64_t most = std::max<std::int64_t>(1, kMostThreads / g_.outputs());
    for (std::int64_t first = 0; first < batch.images; first += most) {
      const Strided<T> work{reinterpret_cast<const T*>(batch.d_images) + first * g_.pixels(),
                            reinterpret_cast<const T*>(batch.d_filters) + first * g_.taps(),
                            reinterpret_cast<T*>(batch.d_results) + first * g_.outputs(), g_};
      launcher_(work, std::min(most, batch.images - first), stream);
    }
  }

 private:
  Geometry g_;
  Launcher<T> launcher_;
};

std::string refusal(const Request& request) {
  return dispatch(request.dtype, [&]<class T>() { return why_not<T>(request); });
}

}  // namespace

extern const Kernel vector_kernel;
const Kernel vector_kernel{.name = "vector",
                           .description = "strided: a few outputs a thread from 16-byte loads",
                           .refuses = &refusal,
                           .plan = &make_plan<Plan, VectorPlan, Request>};

}  // namespace convscale::cuda
