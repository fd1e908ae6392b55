// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace convscale {

/// How this binary was built. `git` is empty when the source was no git checkout; `cuda` and
/// `cudnn` are versions, empty where it was built without them; `no_...` then say why, and what
/// brings it, in one line.
struct BuildInfo {
  std::string_view version;
  std::string_view git;
  std::string_view type;
  std::string_view compiler;
  std::string_view flags;
  std::string_view cuda;
  std::string_view cudnn;
  std::string_view no_mpi;
  std::string_view no_cuda;
  std::string_view no_cudnn;
};

BuildInfo build_info();

}  // namespace convscale
