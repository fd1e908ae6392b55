// SPDX-License-Identifier: Apache-2.0
// A fault for tests/check_symbols.cmake to find: an inline function of the standard library, which
// the compiler puts into this file for the linker to share.
#include <algorithm>

namespace convscale {

extern double (*const planted_kernel)(double, double);
double (*const planted_kernel)(double, double) = [](double a, double b) {
  const double& (*volatile larger)(const double&, const double&) = std::max<double>;
  return larger(a, b);
};

}  // namespace convscale
