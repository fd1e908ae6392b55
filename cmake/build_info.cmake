# SPDX-License-Identifier: Apache-2.0
# Writes OUTPUT, the definition of convscale::build_info(); touched only when its text changes.
set(revision "")
if(GIT AND EXISTS ${SOURCE_DIR}/.git)  # without, it may still lie inside another repository
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
string(STRIP "${FLAGS}" FLAGS)
foreach(text IN ITEMS FLAGS NO_MPI NO_CUDA NO_CUDNN)  # any characters may stand in these
  string(REGEX REPLACE "([\\\"])" "\\\\\\1" ${text} "${${text}}")
endforeach()
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
          .cudnn = "@CUDNN@",
          .no_mpi = "@NO_MPI@",
          .no_cuda = "@NO_CUDA@",
          .no_cudnn = "@NO_CUDNN@"};
}
}  // namespace convscale
]])
