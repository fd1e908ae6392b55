// SPDX-License-Identifier: Apache-2.0
// avx2: the vector kernel family (vector_kernel.hpp) for AVX2 and FMA. Sixteen registers hold sums
// of 4 x 2 vectors, 2 vectors of pixels and up to 4 taps.
//
//     for y, x:  out[y][x] = sum over a, b of taps[a][b] * pixels[y-a][x-b]
//
// docs/results/0.1.0/heatmap-avx2.md has the fractions of the bound.
#include "cpu/kernels/vector_avx2.hpp"
#include "cpu/kernels/vector_ceilings.hpp"
#include "cpu/kernels/vector_kernel.hpp"

namespace convscale {

extern const RowKernel avx2_kernel = {
    .name = "avx2",
    .description = "register blocks; strided rows by windows or phases",
    .isa = kIsaAvx2,
    .float64 = {full_rows<Avx2Float64>, strided_rows<Avx2Float64>, workspace_bytes<Avx2Float64>},
    .float32 = {full_rows<Avx2Float32>, strided_rows<Avx2Float32>, workspace_bytes<Avx2Float32>},
    .full_path = full_path,
    .strided_path = strided_path<Avx2Tuning>,
    .row_group = row_group<Avx2Tuning>,
};

extern const CeilingLoops avx2_ceiling_loops =
    make_ceiling_loops<Avx2Float64, Avx2Float32>("avx2", kIsaAvx2);

}  // namespace convscale
