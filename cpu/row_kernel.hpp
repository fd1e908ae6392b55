// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/filter_size.hpp"
#include "common/range.hpp"

#include <cstddef>
#include <cstdint>

/// What our own kernels for the CPU are made of: `as_kernel` (cpu/kernel.hpp) makes kernels of
/// them. Plain data and functions, nothing of the standard library: files compiled for a newer
/// instruction set include this, and an inline function that they compiled could otherwise be
/// linked into code for every processor.
namespace convscale {

/// The largest filter that the program takes.
inline constexpr std::int64_t kMaxFilter = 31;

/// Rows that kernels sum together unless they say otherwise: bands of rows are a multiple of it
/// where they can be.
inline constexpr std::int64_t kRowGroup = 5;

/// One image with its filter, row-major and contiguous; the pixels stand as the user has them, with
/// no padding. Outputs are counted from the first one of the mode on, and so are pixels: pixels[0]
/// is the one that tap (0, 0) of output (0, 0) meets, in row 0 and column 0.
template <class T>
struct Image {
  const T* pixels;
  std::int64_t width;  ///< elements from a row of pixels to the next
  /// Of the pixels that there are, the whole image. Neither range ends behind the outputs of the
  /// mode.
  Range rows;
  Range columns;
  const T* taps;  ///< (filter_size.height, filter_size.width), not flipped
  FilterSize filter_size;
  std::int64_t stride;
  std::int64_t dense_height;  ///< rows of outputs, with a stride of 1
  std::int64_t dense_width;
  std::byte* workspace = nullptr;  ///< what workspace_bytes() asks for, at a multiple of 64 bytes

  constexpr std::int64_t out_width() const { return (dense_width + stride - 1) / stride; }
};

/// Instruction sets that a kernel needs, as bits.
enum Isa : unsigned {
  kIsaBaseline = 0,
  kIsaAvx2 = 1u << 0,    ///< AVX2 and FMA
  kIsaAvx512 = 1u << 1,  ///< AVX-512 F, DQ, BW, VL
};

/// The operations of a kernel on elements of type T. All are pure functions that may run on any
/// number of threads at once.
template <class T>
struct Operations {
  /// Rows row_begin..row_end of the outputs with a stride of 1, dense_width elements each, `pitch`
  /// elements apart, all of them stored:
  ///     out[y - row_begin][x] = sum over a, b with y-a in rows, x-b in columns of
  ///     taps[a][b] * pixels[y-a][x-b]
  void (*full_rows)(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end, T* out,
                    std::int64_t pitch);
  /// Kept rows row_begin..row_end, out_width() elements each, contiguous: the sum above at (y, x) =
  /// (i stride, j stride) only.
  void (*strided_rows)(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end, T* out);
  /// Bytes that image.workspace must hold for images of these sizes; null: none.
  std::int64_t (*workspace_bytes)(const Image<T>& image, bool strided) = nullptr;
};

/// A kernel as functions of rows.
struct RowKernel {
  const char* name = nullptr;
  const char* description = nullptr;
  unsigned isa = kIsaBaseline;  ///< Isa bits
  Operations<double> float64 = {};
  Operations<float> float32 = {};
  /// The way that they take inside for a filter and stride; null if there is but one.
  const char* (*full_path)(FilterSize filter_size) = nullptr;
  const char* (*strided_path)(FilterSize filter_size, std::int64_t stride) = nullptr;
  /// Output rows that it sums together where every stride-th is kept; null: kRowGroup.
  std::int64_t (*row_group)(FilterSize filter_size, std::int64_t stride) = nullptr;

  template <class T>
  const Operations<T>& operations() const {
    if constexpr (sizeof(T) == sizeof(double)) {
      return float64;
    } else {
      return float32;
    }
  }
};

/// The loops that measure what the hardware can do, one set for each instruction set.
struct CeilingLoops {
  const char* name;
  unsigned isa;
  int vector_bytes;  ///< of the registers that they use
  /// Reads `bytes` (a multiple of 64, at a multiple of 64) once, as `streams` (1, 2, 4 or 8)
  /// sequences of 8 KiB side by side, and returns a sum of them that keeps the loads alive.
  double (*read)(const void* data, std::int64_t bytes, int streams);
  /// `count` rounds of independent fused multiply-adds; returns the number of FLOPs.
  double (*fma_float64)(std::int64_t count);
  double (*fma_float32)(std::int64_t count);
};

}  // namespace convscale
