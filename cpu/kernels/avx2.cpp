// SPDX-License-Identifier: Apache-2.0
// avx2: the vector kernel family (vector_kernel.hpp) for AVX2 and FMA.
//
//     for y, x:  out[y][x] = sum over a, b of taps[a][b] * pixels[y-a][x-b]
//
// full: 2 K^2 FLOPs an output; each pixel is read from memory once. Sixteen registers hold the sums
// but not the taps of a 4 x 4 filter, which are read from memory beside the pixels.
// strided: 2 K^2 FLOPs a kept output, its pixels gathered.
//
// Measured with 33 x 1000^2 float64, K 4, S 5, two cores of a Xeon at 33 GB/s, 2026-11-22:
// full 0.49 of the bound (K 3: 0.77), strided 0.69.
#include "cpu/kernels/vector_avx2.hpp"
#include "cpu/kernels/vector_ceilings.hpp"
#include "cpu/kernels/vector_kernel.hpp"

namespace convscale {

extern const RowKernel avx2_kernel = {
    .name = "avx2",
    .description = "register blocks of 5 rows; gathered lanes for strided",
    .isa = kIsaAvx2,
    .float64 = {full_rows<Avx2Float64>, strided_rows<Avx2Float64>, workspace_bytes<Avx2Float64>},
    .float32 = {full_rows<Avx2Float32>, strided_rows<Avx2Float32>, workspace_bytes<Avx2Float32>},
    .full_path = full_path,
    .strided_path = strided_path,
    .row_group = row_group<Avx2Tuning>,
};

extern const CeilingLoops avx2_ceiling_loops =
    make_ceiling_loops<Avx2Float64, Avx2Float32>("avx2", kIsaAvx2);

}  // namespace convscale
