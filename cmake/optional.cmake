# SPDX-License-Identifier: Apache-2.0
# What the build can do without: MPI, CUDA, cuDNN. Sets with_mpi and with_cuda; for each that is left
# out, CONVSCALE_NO_MPI, CONVSCALE_NO_CUDA and CONVSCALE_NO_CUDNN say in one line why, and what
# brings it. The program repeats these lines (--version, --list).

# --- MPI: its C API; the C++ one of old libraries is not needed ---

set(with_mpi FALSE)
set(CONVSCALE_NO_MPI "")
set(MPI_CXX_SKIP_MPICXX ON)
if(CONVSCALE_MPI STREQUAL "AUTO")
  find_package(MPI QUIET COMPONENTS CXX)
  # FindMPI makes the target MPI::MPI_CXX also where it found nothing that works.
  if(MPI_CXX_FOUND)
    set(with_mpi TRUE)
  else()
    set(CONVSCALE_NO_MPI "no MPI library was found; on Debian: apt install openmpi-bin libopenmpi-dev")
  endif()
elseif(CONVSCALE_MPI)
  find_package(MPI REQUIRED COMPONENTS CXX)
  set(with_mpi TRUE)
else()
  set(CONVSCALE_NO_MPI "it was built with CONVSCALE_MPI=OFF")
endif()

# --- CUDA: a toolkit whose nvcc compiles C++20 ---

# convscale_check_nvcc(NVCC WHY): what NVCC says against a small program in C++20, else nothing.
function(convscale_check_nvcc nvcc why)
  set(source ${PROJECT_BINARY_DIR}/CMakeFiles/check_nvcc.cu)
  file(WRITE ${source} "#include <thrust/version.h>\n#include <concepts>\ntemplate <std::integral T> __global__ void f(T) {}\n"
    "int main() { f<<<1, 1>>>(1); return cudaDeviceSynchronize(); }\n")
  set(host_compiler)
  if(CMAKE_CUDA_HOST_COMPILER)
    set(host_compiler -ccbin ${CMAKE_CUDA_HOST_COMPILER})
  endif()
  execute_process(COMMAND ${nvcc} -std=c++20 ${host_compiler} -o ${source}.out ${source}
    RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
  set(${why} "" PARENT_SCOPE)
  if(NOT result EQUAL 0)
    # The first line that names an error, else the first.
    string(REGEX MATCH "[^\n]*(error|fatal)[^\n]*" line "${said}")
    if(NOT line)
      string(REGEX MATCH "[^\n]+" line "${said}")
    endif()
    string(REPLACE ";" "," line "${line}")
    string(STRIP "${line}" line)
    if(NOT line)
      set(line "it ends with ${result} and says nothing")
    endif()
    set(${why} "${nvcc} does not compile C++20 here: ${line}" PARENT_SCOPE)
  endif()
endfunction()

set(with_cuda FALSE)
set(CONVSCALE_NO_CUDA "")
if(CONVSCALE_CUDA STREQUAL "AUTO")
  if(CONVSCALE_SANITIZE)
    # They do not reach into it; the tests run its sources on the CPU instead.
    set(CONVSCALE_NO_CUDA "sanitizers do not reach into it")
  else()
    # A toolkit that came after the last configuration is found, too.
    if(NOT CMAKE_CUDA_COMPILER)
      unset(CMAKE_CUDA_COMPILER CACHE)
    endif()
    if(NOT CMAKE_CUDA_COMPILER AND DEFINED ENV{CUDACXX})
      set(CMAKE_CUDA_COMPILER $ENV{CUDACXX} CACHE FILEPATH "CUDA compiler")
    endif()
    find_program(CMAKE_CUDA_COMPILER nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda
      PATH_SUFFIXES bin DOC "CUDA compiler")
    if(NOT CMAKE_CUDA_COMPILER)
      set(CONVSCALE_NO_CUDA "no nvcc was found; NVIDIA's CUDA Toolkit 12 or newer has it")
    elseif(NOT CMAKE_CUDA_COMPILER STREQUAL CONVSCALE_CHECKED_NVCC)
      message(STATUS "Looking at ${CMAKE_CUDA_COMPILER}")
      convscale_check_nvcc(${CMAKE_CUDA_COMPILER} CONVSCALE_NO_CUDA)
    endif()
    if(CONVSCALE_NO_CUDA)
      unset(CMAKE_CUDA_COMPILER CACHE)  # another one may be there next time
    else()
      set(CONVSCALE_CHECKED_NVCC ${CMAKE_CUDA_COMPILER} CACHE INTERNAL "An nvcc that compiles C++20")
      set(with_cuda TRUE)
    endif()
  endif()
elseif(CONVSCALE_CUDA)
  set(with_cuda TRUE)
else()
  set(CONVSCALE_NO_CUDA "it was built with CONVSCALE_CUDA=OFF")
endif()

# --- cuDNN: its header is all that the build needs, the library is looked for when the program runs ---

set(CONVSCALE_NO_CUDNN "")
if(with_cuda)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # Machine code for A100 and H100 / H200 (it runs on all 8.x and 9.x), and a form that drivers
    # compile for what is newer.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake 3.25 does not know it
  endif()
  find_package(CUDAToolkit REQUIRED)
  find_path(CONVSCALE_CUDNN_INCLUDE_DIR cudnn.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} $ENV{CUDNN_PATH}/include
    DOC "Folder of cudnn.h; without it there is no kernel cudnn")
  if(CONVSCALE_CUDNN_INCLUDE_DIR)
    file(STRINGS ${CONVSCALE_CUDNN_INCLUDE_DIR}/cudnn_version.h lines REGEX "define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
    string(REGEX REPLACE "[^0-9;]+" "" lines "${lines}")
    string(REPLACE ";" "." CONVSCALE_CUDNN_VERSION "${lines}")
  else()
    set(CONVSCALE_NO_CUDNN
      "no cudnn.h was found; NVIDIA's cuDNN 9 has it, and CUDNN_PATH may name its folder")
  endif()
endif()

foreach(name IN ITEMS MPI CUDA CUDNN)
  if(CONVSCALE_NO_${name})
    message(STATUS "Without ${name}: ${CONVSCALE_NO_${name}}")
  endif()
endforeach()
