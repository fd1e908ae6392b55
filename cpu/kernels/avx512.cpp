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
// What an image of 4 x 4 by 5 costs, ns, same core, 2026-11-29. At the rate of 256 x 256 in cache,
// its pixels alone are 333 and 1331 (full) or 58 and 232 (strided); the rest is rows and columns of
// blocks that the image does not fill, copies of its edges, taps and the call. Before: the kernels
// asked for pixels of the same image only.
//                            in cache         from memory, before and after
//     32 x 32 full           543 -> 533       698 -> 579
//     64 x 64 full          1869 -> 1823     4478 -> 2140
//     32 x 32 strided        124 -> 138       947 -> 262
//     64 x 64 strided        384 -> 315      2860 -> 1102
//
// What stands in the way, by what happens without it (float64, from memory, 2026-11-29; one core
// reads 42 to 46 GB/s in that hour, two 47 to 56):
//   strided 4 x 4 by 5, 0.86 of the read ceiling with two cores: 0.95 without the windows'
//   arithmetic, prefetches kept: it takes less than the reading, but the processor seems not to run
//   far enough ahead of it. Rows side by side cost nothing: plain sums of them read 1.0 to 1.05.
//   Images of 256 x 256: 0.72, and 0.81 without; of 64 x 64 0.64, and 0.66: short rows are not
//   followed by the processor's own prefetches, and those of the program are not enough.
//   full, one core, of the time: K 1 0.66 without stores, K 3 0.82, K 4 0.96, K 5 1.0; without
//   shifts in registers, but with stores, K 4 0.90, K 5 0.94. So K 1 and 3 wait for stores, K 5 for
//   multiply-adds (0.8 of the peak), and K 4, at 25 GB/s a core, for all of them at once.
//   polyphase: sorting takes as long as the sums. Prefetches and loads from the second-level cache
//   seem to wait for each other: a loop that loads each pixel seven times from there (windows made
//   to take K 15 by 2) falls from 0.7 to 0.4 of the peak, one that copies it into the first-level
//   cache once (polyphase) keeps 0.67.
//
// Tried for full: one row of pixels at a time and its taps broadcast as they are met, blocks of 6 x
// 4 (K 7 0.73 of the peak: a load for each vector and tap, most of them across two lines); of each
// two taps, one by a shift in registers (0.78); K known to the compiler (K 7 0.82 with float64 and
// 0.72 with float32, K 11 0.73). For K up to 5: that loop for any size (K 4 took 1.1 to 1.2 of the
// time); blocks of 1 x 8, 2 x 4, 3 x 4 and 4 x 3 in place of 5 x 2 (K 3 to 5: 1.0 to 1.6);
// blocks of 6 x 3 with slices of taps for K 5 (1.05 to 1.12).
//
// Tried for windows: row by row of a group of columns in place of vector by vector of all rows (4 x
// 4 by 5 took 1.1 to 1.2 of the time); sums of a vector's place in its period over many groups,
// through a buffer (K 7 by 5: 1.5 of the time); prefetches of the row before or of 1 and 2 KiB
// ahead, into the second-level cache or past it (4 x 4 by 5: 0.98 to 1.05), and none (K 3 by 2 1.1,
// K 11 by 5 1.8). Tried for polyphase: prefetches among the loads that are sorted (K 15 by 2: 1.2
// of the time), of every second line (1.2 to 1.8).
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
