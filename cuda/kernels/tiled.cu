// SPDX-License-Identifier: Apache-2.0
// tiled: a block copies the pixels of a tile of outputs to shared memory (asynchronously, 16 bytes
// at a time where rows start on 16 bytes) and sums from there.
//
//     full:    tile[y][x]   = sum over ky, kx of pixels[y - ky][x - kx] * taps[ky][kx]
//              result[r][c] = tile[S r][S c]
//     strided: result[r][c] = sum over ky, kx of pixels[S r - ky][S c - kx] * taps[ky][kx]
//
// 2 K^2 FLOPs an output. `full` stores every output to shared memory and decimates from there;
// `strided` copies only rows that a window covers. Device memory sees each pixel once, but for the
// K - 1 rows and columns that neighbouring tiles share. Not measured yet: no device was at hand.
#include "cuda/geometry.hpp"
#include "cuda/kernel.hpp"
#include "cuda/kernels/pack.hpp"
#include "cuda/launch.hpp"

#include <cuda_pipeline.h>

#include <algorithm>
#include <string>

namespace convscale::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kFullColumns = 64;  ///< of a tile of `full`
constexpr int kStripRows = 8;     ///< that one thread sums, below one another
constexpr int kFullRows = kThreads / kFullColumns * kStripRows;
constexpr int kStridedRows = 4;  ///< of kept outputs in a tile of `strided`

/// Pixels that a tile needs, as they lie in shared memory: rows (packed: only those that a window
/// covers) of `pitch` columns, which begin `lead` before the first output's own.
struct TileShape {
  int columns;  ///< of outputs
  int rows;
  int lead;
  int pitch;
  int pixel_rows;

  constexpr std::int64_t pixels() const { return std::int64_t{pitch} * pixel_rows; }
};

template <class T>
constexpr int rounded_to_packs(std::int64_t elements) {
  constexpr int kElements = Pack<T>::kElements;
  return static_cast<int>((elements + kElements - 1) / kElements * kElements);
}

template <class T>
constexpr TileShape full_tile(int filter_size) {
  const int lead = rounded_to_packs<T>(filter_size - 1);
  return {kFullColumns, kFullRows, lead, lead + kFullColumns, kFullRows + filter_size - 1};
}

/// Columns to multiples of 4, so that every tile begins on 16 bytes.
template <class T>
constexpr TileShape strided_tile(int filter_size, int stride, int columns) {
  const int lead = rounded_to_packs<T>(filter_size - 1);
  const std::int64_t pitch = lead + std::int64_t{columns - 1} * stride + 1;
  const int between = std::min(stride, filter_size);  // packed rows from one output to the next
  return {columns, kStridedRows, lead, rounded_to_packs<T>(std::min<std::int64_t>(pitch, 1 << 30)),
          (kStridedRows - 1) * between + filter_size};
}

template <class T>
struct Tiles {
  const T* d_images;
  const T* d_filters;
  T* d_results;
  Geometry g;
  TileShape tile{};
  unsigned across = 0;  ///< tiles of an image
  unsigned down = 0;
};

/// A tile's pixels and taps in dynamic shared memory.
template <class T>
struct Shared {
  T* pixels;  ///< (pixel_rows, pitch)
  T* taps;    ///< (K, K)
  T* full;    ///< (kFullRows, kFullColumns), of method `full`
};
template <class T>
__device__ Shared<T> shared_of(const Tiles<T>& work) {
  T* pixels = reinterpret_cast<T*>(dynamic_shared());
  T* taps = pixels + work.tile.pixels();
  return {pixels, taps, taps + work.g.taps()};
}

/// Copies a tile's pixels, from image column `x_begin` on, and the taps to shared memory; zeros
/// outside of the image. `source_row(i)` is the image row that packed row i of the tile holds. Ends
/// with a barrier.
template <class T, bool kAligned, class SourceRow>
__device__ void stage(const Tiles<T>& work, const Shared<T>& shared, std::int64_t image,
                      int x_begin, SourceRow&& source_row) {
  constexpr int kStep = kAligned ? Pack<T>::kElements : 1;  // elements that a thread copies at once
  const Geometry& g = work.g;
  const T* d_image = work.d_images + image * g.pixels();
  const int steps = work.tile.pitch / kStep;  // of one row
  for (int i = static_cast<int>(threadIdx.x); i < work.tile.pixel_rows * steps; i += kThreads) {
    const int y = source_row(i / steps), x = x_begin + i % steps * kStep;
    T* to = shared.pixels + std::int64_t{i} * kStep;
    if (y >= 0 && y < g.height && x >= 0 && x < g.width) {
      __pipeline_memcpy_async(to, d_image + std::int64_t{y} * g.width + x, kStep * sizeof(T));
    } else {
#pragma unroll
      for (int e = 0; e < kStep; ++e) to[e] = T(0);
    }
  }
  __pipeline_commit();
  const T* d_taps = work.d_filters + image * g.taps();
  for (int t = static_cast<int>(threadIdx.x); t < g.taps(); t += kThreads)
    shared.taps[t] = __ldg(d_taps + t);
  __pipeline_wait_prior(0);
  __syncthreads();
}

/// kStripRows outputs below one another; `pixels` points at the pixel under tap (0, 0) of the
/// first. kFilterSize 0: any, `filter_size`.
template <class T, int kFilterSize>
__device__ __forceinline__ void sum_strip(const T* pixels, int pitch, const T* taps,
                                          int filter_size, T (&sum)[kStripRows]) {
  if constexpr (kFilterSize > 0) {
#pragma unroll
    for (int kx = 0; kx < kFilterSize; ++kx) {
      T strip[kStripRows + kFilterSize - 1];
#pragma unroll
      for (int i = 0; i < kStripRows + kFilterSize - 1; ++i)
        strip[i] = pixels[(i - (kFilterSize - 1)) * pitch - kx];
#pragma unroll
      for (int ky = 0; ky < kFilterSize; ++ky) {
        const T tap = taps[ky * kFilterSize + kx];
#pragma unroll
        for (int r = 0; r < kStripRows; ++r) sum[r] += strip[r - ky + kFilterSize - 1] * tap;
      }
    }
  } else {
    for (int ky = 0; ky < filter_size; ++ky) {
      for (int kx = 0; kx < filter_size; ++kx) {
        const T tap = taps[ky * filter_size + kx];
#pragma unroll
        for (int r = 0; r < kStripRows; ++r) sum[r] += pixels[(r - ky) * pitch - kx] * tap;
      }
    }
  }
}

/// Writes the kept outputs of a tile of full outputs that begins at full row and column y0, x0.
template <class T>
__device__ void decimate(const T* full, const Geometry& g, int y0, int x0, T* d_results) {
  const int row_begin = (y0 + g.stride - 1) / g.stride;
  const int row_end = std::min(g.out_height, (y0 + kFullRows - 1) / g.stride + 1);
  const int column_begin = (x0 + g.stride - 1) / g.stride;
  const int columns = std::min(g.out_width, (x0 + kFullColumns - 1) / g.stride + 1) - column_begin;
  if (columns <= 0) return;
  for (int i = static_cast<int>(threadIdx.x); i < (row_end - row_begin) * columns; i += kThreads) {
    const int row = row_begin + i / columns, column = column_begin + i % columns;
    d_results[std::int64_t{row} * g.out_width + column] =
        full[(row * g.stride - y0) * kFullColumns + column * g.stride - x0];
  }
}

template <class T, int kFilterSize, bool kAligned>
__global__ void __launch_bounds__(kThreads) full_tiled(Tiles<T> work) {
  const Geometry& g = work.g;
  const Shared<T> shared = shared_of(work);
  const std::int64_t image = blockIdx.x / work.across / work.down;
  const int x0 = static_cast<int>(blockIdx.x % work.across) * kFullColumns;
  const int y0 = static_cast<int>(blockIdx.x / work.across % work.down) * kFullRows;
  stage<T, kAligned>(work, shared, image, x0 - work.tile.lead,
                     [&](int i) { return y0 - (g.filter_size - 1) + i; });

  const int column = static_cast<int>(threadIdx.x) % kFullColumns;
  const int row = static_cast<int>(threadIdx.x) / kFullColumns * kStripRows;
  T sum[kStripRows] = {};
  sum_strip<T, kFilterSize>(
      shared.pixels + (row + g.filter_size - 1) * work.tile.pitch + work.tile.lead + column,
      work.tile.pitch, shared.taps, g.filter_size, sum);
#pragma unroll
  for (int r = 0; r < kStripRows; ++r) shared.full[(row + r) * kFullColumns + column] = sum[r];
  __syncthreads();
  decimate(shared.full, g, y0, x0, work.d_results + image * g.outputs());
}

template <class T, int kFilterSize, bool kAligned>
__global__ void __launch_bounds__(kThreads) strided_tiled(Tiles<T> work) {
  const Geometry& g = work.g;
  const int filter_size = kFilterSize > 0 ? kFilterSize : g.filter_size;
  const Shared<T> shared = shared_of(work);
  const std::int64_t image = blockIdx.x / work.across / work.down;
  const int c0 = static_cast<int>(blockIdx.x % work.across) * work.tile.columns;
  const int r0 = static_cast<int>(blockIdx.x / work.across % work.down) * kStridedRows;
  const int between = std::min(g.stride, filter_size);
  stage<T, kAligned>(work, shared, image, c0 * g.stride - work.tile.lead, [&](int i) {
    // Packed row i belongs to the window of output row r: the last one that still begins before it.
    const int r = std::min(i / between, kStridedRows - 1);
    return (r0 + r) * g.stride - (filter_size - 1) + i - r * between;
  });

  T* d_results = work.d_results + image * g.outputs();
  for (int i = static_cast<int>(threadIdx.x); i < work.tile.columns * kStridedRows; i += kThreads) {
    const int column = i % work.tile.columns, row = i / work.tile.columns;
    if (r0 + row >= g.out_height || c0 + column >= g.out_width) continue;
    const T* pixels = shared.pixels + (row * between + filter_size - 1) * work.tile.pitch +
                      work.tile.lead + column * g.stride;
    T sum = 0;
#pragma unroll
    for (int ky = 0; ky < filter_size; ++ky) {
#pragma unroll
      for (int kx = 0; kx < filter_size; ++kx)
        sum += pixels[-ky * work.tile.pitch - kx] * shared.taps[ky * filter_size + kx];
    }
    d_results[std::int64_t{r0 + row} * g.out_width + c0 + column] = sum;
  }
}

template <class T>
using TiledKernel = void (*)(Tiles<T>);

/// full_tiled or strided_tiled for a filter size that is compiled for, or for any.
template <class T, int kFilterSize>
TiledKernel<T> kernel_of(bool full, bool aligned) {
  if (full) return aligned ? &full_tiled<T, kFilterSize, true> : &full_tiled<T, kFilterSize, false>;
  return aligned ? &strided_tiled<T, kFilterSize, true> : &strided_tiled<T, kFilterSize, false>;
}

template <class T>
TiledKernel<T> kernel_of(int filter_size, bool full, bool aligned) {
  switch (filter_size) {
    case 3:
      return kernel_of<T, 3>(full, aligned);
    case 4:
      return kernel_of<T, 4>(full, aligned);
    case 5:
      return kernel_of<T, 5>(full, aligned);
    case 7:
      return kernel_of<T, 7>(full, aligned);
    default:
      return kernel_of<T, 0>(full, aligned);
  }
}

template <class T>
std::int64_t shared_bytes(const TileShape& tile, const Request& request) {
  const std::int64_t full = request.method == Method::kFull ? kFullRows * kFullColumns : 0;
  return (tile.pixels() + request.shape.taps() + full) * static_cast<std::int64_t>(sizeof(T));
}

/// The widest tile of which a few fit in a multiprocessor; the narrowest if none does.
template <class T>
TileShape tile_of(const Request& request) {
  const Geometry g(request.shape);
  if (request.method == Method::kFull) return full_tile<T>(g.filter_size);
  for (int columns = 64; columns > 4; columns /= 2) {
    const TileShape tile = strided_tile<T>(g.filter_size, g.stride, columns);
    if (shared_bytes<T>(tile, request) <= request.device.shared_bytes / 4) return tile;
  }
  return strided_tile<T>(g.filter_size, g.stride, 4);
}

template <class T>
class TiledPlan final : public Plan {
 public:
  explicit TiledPlan(const Request& request)
      : g_(request.shape),
        tile_(tile_of<T>(request)),
        shared_bytes_(shared_bytes<T>(tile_, request)),
        full_(request.method == Method::kFull),
        tiled_kernel_(kernel_of<T>(g_.filter_size, full_, rows_are_aligned<T>(g_.width))) {
    CONVSCALE_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void*>(tiled_kernel_),
                                        cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        static_cast<int>(shared_bytes_)));
  }

  void launch(const Batch& batch, cudaStream_t stream) override {
    const std::int64_t across = divided_up(full_ ? g_.full_width : g_.out_width, tile_.columns);
    const std::int64_t down = divided_up(full_ ? g_.full_height : g_.out_height, tile_.rows);
    const std::int64_t most = std::max<std::int64_t>(1, (1 << 30) / (across * down));
    for (std::int64_t first = 0; first < batch.images; first += most) {
      const Tiles<T> work{reinterpret_cast<const T*>(batch.d_images) + first * g_.pixels(),
                          reinterpret_cast<const T*>(batch.d_filters) + first * g_.taps(),
                          reinterpret_cast<T*>(batch.d_results) + first * g_.outputs(),
                          g_,
                          tile_,
                          static_cast<unsigned>(across),
                          static_cast<unsigned>(down)};
      const std::int64_t blocks = std::min(most, batch.images - first) * across * down;
      CONVSCALE_LAUNCH(tiled_kernel_, dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                       static_cast<std::size_t>(shared_bytes_), stream, work);
    }
  }

 private:
  Geometry g_;
  TileShape tile_;
  std::int64_t shared_bytes_;
  bool full_;
  TiledKernel<T> tiled_kernel_;
};

template <class T>
std::string why_not(const Request& request) {
  const std::int64_t bytes = shared_bytes<T>(tile_of<T>(request), request);
  if (bytes <= request.device.shared_bytes) return "";
  return "a tile at stride " + std::to_string(request.shape.stride) + " needs " +
         std::to_string(bytes) + " bytes of shared memory, a block of this device gets " +
         std::to_string(request.device.shared_bytes);
}

std::string refusal(const Request& request) {
  return dispatch(request.dtype, [&]<class T>() { return why_not<T>(request); });
}

}  // namespace

extern const Kernel tiled_kernel;
const Kernel tiled_kernel{.name = "tiled",
                          .description = "tiles of pixels in shared memory, copied asynchronously",
                          .refuses = &refusal,
                          .plan = &make_plan<Plan, TiledPlan, Request>};

}  // namespace convscale::cuda
