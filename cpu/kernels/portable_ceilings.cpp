// SPDX-License-Identifier: Apache-2.0
// The ceiling loops for processors without AVX2: vectors of 16 bytes in the compiler's own
// notation.
#include "cpu/kernels/vector_ceilings.hpp"

namespace convscale {
namespace {

template <class T>
struct Portable {
  using Element = T;
  using Register __attribute__((vector_size(16))) = T;
  static constexpr int kLanes = 16 / static_cast<int>(sizeof(T));

  static Register zero() { return Register{}; }
  static Register broadcast(T x) { return Register{} + x; }
  static Register load(const T* p) {
    return *reinterpret_cast<const Register*>(p);
  }  // p is aligned: see CeilingLoops
  static Register add(Register a, Register b) { return a + b; }
  static Register fma(Register a, Register b, Register c) { return a * b + c; }
  static double sum(Register v) {
    double total = 0;
    for (int i = 0; i < kLanes; ++i) total += static_cast<double>(v[i]);
    return total;
  }
};

}  // namespace

extern const CeilingLoops portable_ceiling_loops =
    make_ceiling_loops<Portable<double>, Portable<float>>("portable", kIsaBaseline);

}  // namespace convscale
