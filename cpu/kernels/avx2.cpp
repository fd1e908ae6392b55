// SPDX-License-Identifier: Apache-2.0
// avx2: the vector kernel family (vector_kernel.hpp) for AVX2 and FMA.
#include "cpu/kernels/vector_avx2.hpp"
#include "cpu/kernels/vector_ceilings.hpp"
#include "cpu/kernels/vector_kernel.hpp"

namespace convscale {

extern const Kernel avx2_kernel = {
    .name = "avx2",
    .description = "register blocks of 4 rows; gathered lanes for strided",
    .isa = kIsaAvx2,
    .float64 = {full_rows<Avx2Float64>, strided_rows<Avx2Float64>},
    .float32 = {full_rows<Avx2Float32>, strided_rows<Avx2Float32>},
};

extern const CeilingLoops avx2_ceiling_loops =
    make_ceiling_loops<Avx2Float64, Avx2Float32>("avx2", kIsaAvx2);

}  // namespace convscale
