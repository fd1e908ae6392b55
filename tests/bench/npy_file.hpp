// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/data/npy.hpp"
#include "bench/data/output_file.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <type_traits>
#include <vector>

namespace convscale::testing {

/// Makes `path` a .npy file of a C-order array; `data` holds all its elements.
template <class T>
void write_npy(const std::filesystem::path& path, const std::vector<std::int64_t>& shape,
               const std::vector<T>& data) {
  OutputFile file(path);
  file.write(npy_header(std::is_same_v<T, double> ? Dtype::kFloat64 : Dtype::kFloat32, shape));
  file.write(std::as_bytes(std::span(data)));
  file.commit();
}

}  // namespace convscale::testing
