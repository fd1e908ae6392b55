// SPDX-License-Identifier: Apache-2.0
// avx512: the vector kernel family (vector_kernel.hpp) for AVX-512. Of 32 registers, sums of 6 x 3
// vectors take 18; 3 vectors of pixels and up to 8 taps fit beside them.
//
//     for y, x:  out[y][x] = sum over a, b of taps[a][b] * pixels[y-a][x-b]
//
// full: of the arithmetic peak, pixels in the second-level cache, one core of an EPYC of Zen 5 (90
// x 1000 float64, 2026-11-28): K 3 0.65, 4 0.81, 5 0.80, 7 0.85, 9 0.88, 11 0.91, 15 0.93, 31 0.90.
// From memory, two cores, and strided: docs/results/0.1.0/heatmap-avx512.md.
//
// What an image of 4 x 4 by 5 costs, ns, same core, 2026-11-29. At the rate of large images in
// cache, its pixels alone are 306 and 1225 (full) or 63 and 250 (strided); the rest is rows and
// columns of blocks that the image does not fill, copies of its edges, taps and the call. Before:
// the kernels asked for pixels of the same image only.
//                            in cache         from memory, before and after
//     32 x 32 full           543 -> 584       698 -> 659
//     64 x 64 full          1869 -> 2048     4478 -> 2355
//     32 x 32 strided        124 -> 129       947 -> 428
//     64 x 64 strided        384             2860 -> 1195
//
// What stands in the way elsewhere: with pixels in the second-level cache, strided K 7 by 5 passes
// 54 to 60 GB/s a core, full K 4 27 (0.8 of the peak); from memory, 25 and 22. One core reads 27 to
// 34 GB/s. Prefetches and loads from the second-level cache seem to wait for each other: a loop
// that loads each pixel seven times from there (windows made to take K 15 by 2) falls from 0.7 to
// 0.4 of the peak, one that copies it into the first-level cache once (polyphase) keeps 0.67.
//
// Tried for full: one row of pixels at a time and its taps broadcast as they are met, blocks of 6 x
// 4 (K 7 0.73 of the peak: a load for each vector and tap, most of them across two lines); of each
// two taps, one by a shift in registers (0.78); K known to the compiler (K 7 0.82 with float64 and
// 0.72 with float32, K 11 0.73). For K up to 5: that loop for any size (K 4 took 1.1 to 1.2 of the
// time); blocks of 1 x 8, 2 x 4, 3 x 4 and 4 x 3 in place of 5 x 2 (K 3 to 5: 1.0 to 1.6).
//
// Tried for windows: row by row of a group of columns in place of vector by vector of all rows (4 x
// 4 by 5 took 1.1 to 1.2 of the time); sums of a vector's place in its period over many groups,
// through a buffer (K 7 by 5: 1.5 of the time). Tried for polyphase: prefetches among the
// loads that are sorted (K 15 by 2: 1.2 of the time), of every second line (1.2 to 1.8).
#include "cpu/kernels/vector_avx512.hpp"
#include "cpu/kernels/vector_ceilings.hpp"
#include "cpu/kernels/vector_kernel.hpp"

namespace convscale {

extern const RowKernel avx512_kernel = {
    .name = "avx512",
    .description = "register blocks; strided rows by windows or phases",
    .isa = kIsaAvx512,
    .float64 = {full_rows<Avx512Float64>, strided_rows<Avx512Float64>,
                workspace_bytes<Avx512Float64>},
    .float32 = {full_rows<Avx512Float32>, strided_rows<Avx512Float32>,
                workspace_bytes<Avx512Float32>},
    .full_path = full_path,
    .strided_path = strided_path<Avx512Tuning>,
    .row_group = row_group<Avx512Tuning>,
};

extern const CeilingLoops avx512_ceiling_loops =
    make_ceiling_loops<Avx512Float64, Avx512Float32>("avx512", kIsaAvx512);

}  // namespace convscale
