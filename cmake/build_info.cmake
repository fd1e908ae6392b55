# SPDX-License-Identifier: Apache-2.0
# Writes OUTPUT, the definition of convscale::build_info(); touched only when its text changes.
set(revision "")
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
string(STRIP "${FLAGS}" FLAGS)
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[// Written by cmake/build_info.cmake.
#include "common/build_info.hpp"

namespace convscale {
BuildInfo build_info() {
  return {.version = "@VERSION@",
          .git = "@revision@",
          .type = "@BUILD_TYPE@",
          .compiler = "@COMPILER@",
          .flags = "@FLAGS@",
          .cuda = "@CUDA@",
          .cudnn = "@CUDNN@"};
}
}  // namespace convscale
]])
