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

extern const RowKernel avx512_kernel = {
    .name = "avx512",
    .description = "register blocks of 5 rows; strided 4 x 4 by 5 at memory speed",
    .isa = kIsaAvx512,
    .float64 = {full_rows<Avx512Float64>, strided_rows<Avx512Float64>,
                workspace_bytes<Avx512Float64>},
    .float32 = {full_rows<Avx512Float32>, strided_rows<Avx512Float32>,
                workspace_bytes<Avx512Float32>},
    .full_path = full_path,
    .strided_path = strided_path,
    .row_group = row_group<Avx512Tuning>,
};

extern const CeilingLoops avx512_ceiling_loops =
    make_ceiling_loops<Avx512Float64, Avx512Float32>("avx512", kIsaAvx512);

}  // namespace convscale
