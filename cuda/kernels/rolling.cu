// SPDX-License-Identifier: Apache-2.0
// rolling: full only. A warp walks down a band of rows with a window of K rows of sums in
// registers; a lane holds 16 bytes of a pixel row and gets the columns before them from the lanes
// before it.
//
//     full[y][x]   = sum over ky, kx of image[y - ky][x - kx] * taps[ky][kx]
//     result[r][c] = full[S r][S c]
//
// 2 K^2 FLOPs an output of `full`. Every output is stored to shared memory, K rows at a time, and
// the kept ones are taken from there, so that device memory sees the images and the results only.
// Pixels of the next K rows are loaded while these are summed. A warp's first lanes only feed the
// others: their sums lack the columns before the tile. With K = 4: 30 of 32 lanes make outputs
// (float64), 31 of 32 (float32). nvcc 13 for sm_90, K = 4: 122 registers (float64) and 96
// (float32), no spills, pixels in 16-byte loads, and for four rows of outputs 128 (256)
// multiply-adds beside 24 (12) shuffles, 4 loads and 4 stores. Not measured yet: no device was at
// hand.
#include "cuda/geometry.hpp"
#include "cuda/kernel.hpp"
#include "cuda/kernels/pack.hpp"
#include "cuda/launch.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

namespace convscale::cuda {
namespace {

constexpr int kLanes = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

constexpr int kWarps = 4;  ///< of a block; they share nothing
constexpr int kThreads = kWarps * kLanes;
constexpr int kLeastRows = 16;  ///< of a band: the K - 1 rows before it are read and summed again

template <class T>
struct Full {
  const T* d_images;
  const T* d_filters;
  T* d_results;
  Geometry g;
  unsigned tiles = 0;  ///< of columns
  unsigned bands = 0;  ///< of rows
  int band_rows = 0;
  unsigned warps = 0;
};

/// A warp's tile of columns.
template <class T, int kK>
struct Tile {
  static constexpr int kElements = Pack<T>::kElements;
  static constexpr int kLeadLanes = (kK - 1 + kElements - 1) / kElements;
  static constexpr int kColumns = (kLanes - kLeadLanes) * kElements;
};

/// sum[(u + d) % K] += row's share in output row p + d, for the pixel row p whose lane's elements
/// are `own`.
template <class T, int kK>
__device__ __forceinline__ void accumulate(const Pack<T>& own, const T (&taps)[kK][kK], int u,
                                           Pack<T> (&sum)[kK]) {
  constexpr int kElements = Pack<T>::kElements;
  T window[kK - 1 + kElements];  // columns from K - 1 before the lane's own
#pragma unroll
  for (int e = 0; e < kElements; ++e) window[kK - 1 + e] = own.element[e];
#pragma unroll
  for (int i = 1; i < kK; ++i) {
    const int lanes = (i + kElements - 1) / kElements;
    window[kK - 1 - i] =
        __shfl_up_sync(kAllLanes, own.element[lanes * kElements - i], static_cast<unsigned>(lanes));
  }
#pragma unroll
  for (int d = 0; d < kK; ++d) {
#pragma unroll
    for (int kx = 0; kx < kK; ++kx) {
#pragma unroll
      for (int e = 0; e < kElements; ++e)
        sum[(u + d) % kK].element[e] += window[kK - 1 + e - kx] * taps[d][kx];
    }
  }
}

/// Takes the kept outputs of a full row from shared memory. `first`: the lane's first kept column;
/// `tile_begin`: the full column of full_row[0].
template <class T, int kColumns>
__device__ __forceinline__ void decimate(const T* full_row, const Geometry& g, T* d_row, int first,
                                         int tile_begin) {
  for (int c = first; c < g.out_width; c += kLanes) {
    const std::int64_t column = std::int64_t{c} * g.stride - tile_begin;
    if (column >= kColumns) break;
    d_row[c] = full_row[column];
  }
}

template <class T, int kK, bool kAligned>
__global__ void __launch_bounds__(kThreads) full_rolling(Full<T> work) {
  using P = Pack<T>;
  using Columns = Tile<T, kK>;
  __shared__ typename P::Vector full_rows[kWarps][kK][Columns::kColumns / P::kElements];

  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int warp = static_cast<int>(threadIdx.x) / kLanes;
  const unsigned index = blockIdx.x * kWarps + static_cast<unsigned>(warp);
  if (index >= work.warps) return;  // the whole warp
  const Geometry& g = work.g;
  const std::int64_t image = index / work.tiles / work.bands;
  const int tile_begin = static_cast<int>(index % work.tiles) * Columns::kColumns;
  const int column = tile_begin + (lane - Columns::kLeadLanes) * P::kElements;
  const int row_begin = static_cast<int>(index / work.tiles % work.bands) * work.band_rows;
  const int row_end = std::min(g.full_height, row_begin + work.band_rows);

  T taps[kK][kK];
#pragma unroll
  for (int t = 0; t < kK * kK; ++t)
    taps[t / kK][t % kK] = __ldg(work.d_filters + image * kK * kK + t);
  const T* d_image = work.d_images + image * g.pixels();
  T* d_results = work.d_results + image * g.outputs();
  const auto load_row = [&](int y) {
    const bool inside = y >= 0 && y < g.height && y < row_end;
    return load_pixels<T, kAligned>(d_image + std::int64_t{inside ? y : 0} * g.width,
                                    inside ? column : -P::kElements, g.width);
  };

  P rows[kK];
  P sum[kK] = {};  // of output row p + u in sum[u]
  const int first_kept_column = (tile_begin + g.stride - 1) / g.stride + lane;
  int kept_row = (row_begin + g.stride - 1) / g.stride;
  int next_kept = kept_row * g.stride;  // as a row of the full convolution
#pragma unroll
  for (int u = 0; u < kK; ++u) rows[u] = load_row(row_begin - (kK - 1) + u);
#pragma unroll 1
  for (int p = row_begin - (kK - 1); p < row_end; p += kK) {
    P next[kK];
#pragma unroll
    for (int u = 0; u < kK; ++u) next[u] = load_row(p + kK + u);
#pragma unroll
    for (int u = 0; u < kK; ++u) {
      accumulate<T, kK>(rows[u], taps, u, sum);
      if (lane >= Columns::kLeadLanes)
        full_rows[warp][u][lane - Columns::kLeadLanes] = packed(sum[u].element);
      sum[u] = {};
      rows[u] = next[u];
    }
    __syncwarp();
#pragma unroll
    for (int u = 0; u < kK; ++u) {
      if (p + u != next_kept || next_kept >= row_end) continue;
      decimate<T, Columns::kColumns>(reinterpret_cast<const T*>(full_rows[warp][u]), g,
                                     d_results + std::int64_t{kept_row} * g.out_width,
                                     first_kept_column, tile_begin);
      ++kept_row;
      next_kept += g.stride;
    }
    __syncwarp();
  }
}

/// Rows of a band, for `columns` tiles of all images. Modelled: warps run in waves of as many as
/// fit, each for its band's rows and the K - 1 before them, in steps of K. The fewest bands of
/// those that come out best.
template <int kK>
std::int64_t choose_band_rows(std::int64_t columns, std::int64_t full_height,
                              std::int64_t warps_at_once) {
  std::int64_t best_rows = full_height, best_steps = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t bands = 1; bands <= divided_up(full_height, kLeastRows); ++bands) {
    const std::int64_t rows = divided_up(full_height, bands);
    const std::int64_t steps =
        divided_up(columns * bands, warps_at_once) * divided_up(rows + kK - 1, kK);
    if (steps >= best_steps) continue;
    best_steps = steps;
    best_rows = rows;
  }
  return best_rows;
}

/// What filters of one size are done with.
template <class T>
struct Variant {
  void (*aligned)(Full<T>) = nullptr;  ///< rows start on 16 bytes; null where K is not compiled for
  void (*unaligned)(Full<T>) = nullptr;
  int columns = 0;  ///< of a tile
  std::int64_t (*band_rows)(std::int64_t, std::int64_t, std::int64_t) = nullptr;
};

template <class T, int kK>
constexpr Variant<T> variant() {
  return {&full_rolling<T, kK, true>, &full_rolling<T, kK, false>, Tile<T, kK>::kColumns,
          &choose_band_rows<kK>};
}

template <class T>
Variant<T> variant_of(std::int64_t filter_size) {
  switch (filter_size) {
    case 2:
      return variant<T, 2>();
    case 3:
      return variant<T, 3>();
    case 4:
      return variant<T, 4>();
    case 5:
      return variant<T, 5>();
    case 7:
      return variant<T, 7>();
    default:
      return {};
  }
}

/// Everything that a launch needs to know is asked and chosen here, outside of the timed region.
template <class T>
class RollingPlan final : public Plan {
 public:
  explicit RollingPlan(const Request& request)
      : g_(request.shape), variant_(variant_of<T>(request.shape.filter_size.height)) {
    full_rolling_kernel_ = rows_are_aligned<T>(g_.width) ? variant_.aligned : variant_.unaligned;
    int blocks = 0;  // of one multiprocessor, by registers
    CONVSCALE_CUDA(
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, full_rolling_kernel_, kThreads, 0));
    warps_at_once_ = std::int64_t{request.device.multiprocessors} * std::max(1, blocks) * kWarps;
    tiles_ = divided_up(g_.full_width, variant_.columns);
    // Warps are numbered in 32 bits.
    most_images_ =
        std::max<std::int64_t>(1, (1 << 30) / (tiles_ * divided_up(g_.full_height, kLeastRows)));
    // Streams, and their chunks, get as many images as they may, or one less.
    for (const std::int64_t images : {request.shape.images, request.shape.images - 1}) {
      if (images >= most_images_) band_rows(most_images_);
      if (images % most_images_ > 0) band_rows(images % most_images_);
    }
  }

  void launch(const Batch& batch, cudaStream_t stream) override {
    for (std::int64_t first = 0; first < batch.images; first += most_images_) {
      const std::int64_t images = std::min(most_images_, batch.images - first);
      const std::int64_t rows = band_rows(images), bands = divided_up(g_.full_height, rows);
      const std::int64_t warps = images * tiles_ * bands;
      const Full<T> work{
          .d_images = reinterpret_cast<const T*>(batch.d_images) + first * g_.pixels(),
          .d_filters = reinterpret_cast<const T*>(batch.d_filters) + first * g_.taps(),
          .d_results = reinterpret_cast<T*>(batch.d_results) + first * g_.outputs(),
          .g = g_,
          .tiles = static_cast<unsigned>(tiles_),
          .bands = static_cast<unsigned>(bands),
          .band_rows = static_cast<int>(rows),
          .warps = static_cast<unsigned>(warps)};
      CONVSCALE_LAUNCH(full_rolling_kernel_, dim3(static_cast<unsigned>(divided_up(warps, kWarps))),
                       dim3(kThreads), 0, stream, work);
    }
  }

 private:
  std::int64_t band_rows(std::int64_t images) {
    const auto [known, is_new] = band_rows_.try_emplace(images, 0);
    if (is_new) known->second = variant_.band_rows(images * tiles_, g_.full_height, warps_at_once_);
    return known->second;
  }

  Geometry g_;
  Variant<T> variant_;
  void (*full_rolling_kernel_)(Full<T>) = nullptr;
  std::int64_t warps_at_once_ = 0, tiles_ = 0, most_images_ = 0;
  std::map<std::int64_t, std::int64_t> band_rows_;  ///< by images
};

std::string refusal(const Request& request) {
  if (request.method == Method::kStrided) return "it does method full only";
  const std::int64_t k = request.shape.filter_size.height;
  if (variant_of<double>(k).aligned != nullptr) return "";
  return "it does filters of 2, 3, 4, 5 and 7 a side, not " + std::to_string(k);
}

}  // namespace

extern const Kernel rolling_kernel;
const Kernel rolling_kernel{.name = "rolling",
                            .description = "full: a warp walks down the rows, sums in registers",
                            .refuses = &refusal,
                            .plan = &make_plan<Plan, RollingPlan, Request>};

}  // namespace convscale::cuda
