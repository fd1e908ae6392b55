// SPDX-License-Identifier: Apache-2.0
// avx512: the vector kernel family (vector_kernel.hpp) for AVX-512, and a path of its own for the
// 4 x 4 filter with a stride of 5:
//
//     for i, j:  out[i][j] = sum over a, b < 4 of taps[a][b] * pixels[5i - a][5j - b]
//
// 32 FLOPs and, with float64, 160 bytes of pixels an output: memory bandwidth decides, and what
// counts is that every line is asked for early and once. The windows do not overlap. Rows are read
// as they lie in memory, five vectors (5 x lanes columns, which hold `lanes` windows) at a time,
// and multiplied by taps laid out to the same period of five. Four rows summed, two shifts and adds
// leave each window's sum in its last column, from where five permutes pack them. The fifth column
// of each period meets a tap of 0, and no sum that is packed. Rows of the windows after next are
// prefetched.
//
// Measured with float64, two cores of a Xeon (2 MiB L2 each) at 33 GB/s, 2026-11-22: strided 0.92
// of the bound with 33 images of 1000^2 and 0.87 with 268, which fit no cache; full 0.74 and 0.77.
// docs/results has all kernels.
//
// Tried for strided, without gain: windows read from their first column on, which are never in line
// (3 % slower); sums through a buffer instead of permutes (1 %); prefetching into the first-level
// cache (11 %) or a few vectors ahead (5 %).
// Tried for full (33 x 1000^2): blocks of 4 x 2, 5 x 1 and 10 x 1 vectors (within 2 % of 5 x 2);
// prefetching two groups ahead, or into the first-level cache (within 1 %); no prefetch (17 %
// slower); shifted loads instead of shifts in registers (5 % slower).
#include "cpu/kernels/vector_avx512.hpp"
#include "cpu/kernels/vector_ceilings.hpp"
#include "cpu/kernels/vector_kernel.hpp"

namespace convscale {
namespace {

constexpr std::int64_t kSize = 4, kStride = 5;
constexpr int kVectors = 5;

/// Window sums stand in columns 0, 5, 10, ...: for vector v, lane l of `lane` takes the packed lane
/// l so far, or a lane of v.
template <class V>
struct PackIndices {
  alignas(64) typename V::Index lane[kVectors][V::kLanes] = {};

  constexpr PackIndices() {
    for (int v = 0; v < kVectors; ++v) {
      for (int l = 0; l < V::kLanes; ++l) {
        const std::int64_t column = kStride * l;
        lane[v][l] = static_cast<typename V::Index>(
            column / V::kLanes == v ? V::kLanes + column % V::kLanes : l);
      }
    }
  }
};
template <class V>
constexpr PackIndices<V> kPack{};

/// The taps in the columns' period of five. The column that belongs to no window gets 0; what it
/// holds never enters a window's sum.
template <class V>
struct Pattern {
  typename V::Register taps[kSize][kVectors];

  explicit Pattern(const typename V::Element* filter) {
    for (std::int64_t a = 0; a < kSize; ++a) {
      for (int v = 0; v < kVectors; ++v) {
        alignas(64) typename V::Element row[V::kLanes];
        for (int l = 0; l < V::kLanes; ++l) {
          // Column x belongs to the window that ends in column 5j >= x, with tap b = 5j - x.
          const std::int64_t b = (kStride - (v * V::kLanes + l) % kStride) % kStride;
          row[l] = b < kSize ? filter[a * kSize + b] : 0;
        }
        taps[a][v] = V::load(row);
      }
    }
  }
};

/// Turns the sums of a group of columns into the windows' sums, from left to right along a row.
template <class V>
class Packer {
 public:
  using Register = typename V::Register;

  /// `sums`: in column x the products of column x, summed over the filter's rows. Returns one
  /// output a lane.
  Register pack(const Register* sums) {
    // Column x: first x-1 + x, then (x-3 + x-2) + (x-1 + x).
    Register packed = V::zero();
#pragma GCC unroll 5
    for (int v = 0; v < kVectors; ++v) {
      const Register pairs = V::add(sums[v], V::template shift_in<1>(last_sums_, sums[v]));
      const Register windows = V::add(pairs, V::template shift_in<2>(last_pairs_, pairs));
      packed = V::select(packed, kPack<V>.lane[v], windows);
      last_sums_ = sums[v];
      last_pairs_ = pairs;
    }
    return packed;
  }

 private:
  Register last_sums_ = V::zero(), last_pairs_ = V::zero();  // of the vector to the left
};

/// One row of outputs, from the pixel rows y - a with a_begin <= a < a_end, which lie inside the
/// image.
template <class V>
inline void strided_row(const Image<typename V::Element>& image, const Pattern<V>& pattern,
                        std::int64_t y, std::int64_t a_begin, std::int64_t a_end,
                        typename V::Element* out) {
  using T = typename V::Element;
  using Register = typename V::Register;
  constexpr std::int64_t kGroup = kVectors * V::kLanes;
  const std::int64_t width = image.width, out_width = image.out_width();
  const std::int64_t ahead = 2 * kStride * width;
  const T* row = image.pixels + y * width;
  Packer<V> packer;
  std::int64_t x = 0, j = 0;
  if (a_begin == 0 && a_end == kSize) {
    const T* p0 = row;
    const T* p1 = row - width;
    const T* p2 = p1 - width;
    const T* p3 = p2 - width;
    for (; x + kGroup <= width;
         x += kGroup, j += V::kLanes, p0 += kGroup, p1 += kGroup, p2 += kGroup, p3 += kGroup) {
      Register sums[kVectors];
#pragma GCC unroll 5
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t c = v * V::kLanes;
        sums[v] = V::fma(V::load(p0 + c), pattern.taps[0][v], V::zero());
        sums[v] = V::fma(V::load(p1 + c), pattern.taps[1][v], sums[v]);
        sums[v] = V::fma(V::load(p2 + c), pattern.taps[2][v], sums[v]);
        sums[v] = V::fma(V::load(p3 + c), pattern.taps[3][v], sums[v]);
      }
#pragma GCC unroll 5
      for (int v = 0; v < kVectors; ++v) {
        const std::int64_t c = v * V::kLanes + ahead;
        __builtin_prefetch(p0 + c, 0, 2);
        __builtin_prefetch(p1 + c, 0, 2);
        __builtin_prefetch(p2 + c, 0, 2);
        __builtin_prefetch(p3 + c, 0, 2);
      }
      V::store(out + j, packer.pack(sums));
    }
  }
  for (; j < out_width; x += kGroup, j += V::kLanes) {
    Register sums[kVectors];
#pragma GCC unroll 5
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t c = x + v * V::kLanes;
      sums[v] = V::zero();
      const typename V::Mask inside = V::lanes(0, width - c);
      for (std::int64_t a = a_begin; a < a_end && c < width; ++a) {
        sums[v] = V::fma(V::load(row - a * width + c, inside), pattern.taps[a][v], sums[v]);
      }
    }
    V::store(out + j, packer.pack(sums), V::lanes(0, out_width - j));
  }
}

constexpr bool is_own(std::int64_t filter_size, std::int64_t stride) {
  return filter_size == kSize && stride == kStride;
}

const char* strided_path_any(std::int64_t filter_size, std::int64_t stride) {
  return is_own(filter_size, stride) ? "4x4 by 5" : strided_path(filter_size, stride);
}

template <class V>
void strided_rows_any(const Image<typename V::Element>& image, std::int64_t row_begin,
                      std::int64_t row_end, typename V::Element* out) {
  if (!is_own(image.filter_size, image.stride))
    return strided_rows<V>(image, row_begin, row_end, out);
  const Pattern<V> pattern(image.taps);
  for (std::int64_t i = row_begin; i < row_end; ++i, out += image.out_width()) {
    const std::int64_t y = i * kStride;
    const std::int64_t a_begin = y >= image.height ? y - image.height + 1 : 0,
                       a_end = y < kSize ? y + 1 : kSize;
    strided_row<V>(image, pattern, y, a_begin, a_end, out);
  }
}

}  // namespace

extern const RowKernel avx512_kernel = {
    .name = "avx512",
    .description = "register blocks of 5 rows; strided 4 x 4 by 5 at memory speed",
    .isa = kIsaAvx512,
    .float64 = {full_rows<Avx512Float64>, strided_rows_any<Avx512Float64>},
    .float32 = {full_rows<Avx512Float32>, strided_rows_any<Avx512Float32>},
    .full_path = full_path,
    .strided_path = strided_path_any,
};

extern const CeilingLoops avx512_ceiling_loops =
    make_ceiling_loops<Avx512Float64, Avx512Float32>("avx512", kIsaAvx512);

}  // namespace convscale
