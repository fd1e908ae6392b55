# SPDX-License-Identifier: Apache-2.0
# What the build can do without: MPI, CUDA, cuDNN, libraries of CPU kernels. Sets with_mpi and with_cuda;
# for each that is left out, CONVSCALE_NO_MPI, CONVSCALE_NO_CUDA, CONVSCALE_NO_CUDNN or that of a kernel
# say in one line why, and what brings it. The program repeats these lines (--version and --list; of
# kernels --list alone).

# --- MPI: its C API; the C++ one of old libraries is not needed ---

set(with_mpi FALSE)
set(CONVSCALE_NO_MPI "")
set(MPI_CXX_SKIP_MPICXX ON)
if(CONVSCALE_MPI STREQUAL "AUTO")
  # What an earlier configuration found may be gone.
  foreach(path IN LISTS MPI_CXX_COMPILER MPI_CXX_HEADER_DIR MPI_CXX_COMPILER_INCLUDE_DIRS)
    if(IS_ABSOLUTE "${path}" AND NOT EXISTS "${path}")
      get_cmake_property(variables CACHE_VARIABLES)
      list(FILTER variables INCLUDE REGEX "^MPI(EXEC)?_")
      foreach(variable IN LISTS variables)
        unset(${variable} CACHE)
      endforeach()
    endif()
  endforeach()
  find_package(MPI QUIET COMPONENTS CXX)
  # FindMPI makes the target MPI::MPI_CXX also where it found nothing that works.
  if(MPI_CXX_FOUND)
    set(with_mpi TRUE)
  else()
    set(CONVSCALE_NO_MPI "no MPI library that works was found; on Debian: apt install openmpi-bin libopenmpi-dev")
  endif()
elseif(CONVSCALE_MPI)
  find_package(MPI REQUIRED COMPONENTS CXX)
  set(with_mpi TRUE)
else()
  set(CONVSCALE_NO_MPI "CONVSCALE_MPI was OFF")
endif()

# --- CUDA: a toolkit whose nvcc compiles C++20 ---

# convscale_nvcc_options(RESULT): the host compiler, the flags and the architectures that CMake will give
# nvcc.
function(convscale_nvcc_options result)
  set(flags "$ENV{CUDAFLAGS}")  # which CMake reads once
  if(DEFINED CMAKE_CUDA_FLAGS)
    set(flags "${CMAKE_CUDA_FLAGS}")
  endif()
  separate_arguments(options UNIX_COMMAND "${flags}")
  if(CMAKE_CUDA_ARCHITECTURES)  # else the default below, which any toolkit of 12 knows; OFF: none
    foreach(architecture IN LISTS CMAKE_CUDA_ARCHITECTURES)
      if(architecture MATCHES "^([0-9]+[a-z]?)(-real|-virtual)?$")
        list(APPEND options -gencode=arch=compute_${CMAKE_MATCH_1},code=sm_${CMAKE_MATCH_1})
      else()  # native, all, all-major
        list(APPEND options -arch=${architecture})
      endif()
    endforeach()
  endif()
  set(host_compiler "${CMAKE_CUDA_HOST_COMPILER}")
  if(NOT host_compiler)
    set(host_compiler "$ENV{CUDAHOSTCXX}")
  endif()
  if(host_compiler)
    list(APPEND options -ccbin ${host_compiler})
  endif()
  set(${result} ${options} PARENT_SCOPE)
endfunction()

# convscale_check_nvcc(WHY OPTIONS): what CMAKE_CUDA_COMPILER says against a small program in C++20 with
# these options; else nothing.
function(convscale_check_nvcc why options)
  set(source ${PROJECT_BINARY_DIR}/CMakeFiles/check_nvcc.cu)
  file(WRITE ${source} "#include <thrust/version.h>\n#include <concepts>\n"
    "template <std::integral T> __global__ void f(T) {}\n"
    "int main() { f<<<1, 1>>>(1); return cudaDeviceSynchronize(); }\n")
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} -std=c++20 ${options} -o ${source}.out ${source}
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
      set(line "it says nothing, and ends with: ${result}")
    endif()
    set(${why} "${CMAKE_CUDA_COMPILER} does not compile C++20 here: ${line}" PARENT_SCOPE)
  endif()
endfunction()

# convscale_find_nvcc(WHY): sets CMAKE_CUDA_COMPILER; or says why there is none that would do.
macro(convscale_find_nvcc why)
  set(wanted ${CMAKE_CUDA_COMPILER})
  if(NOT wanted AND NOT "$ENV{CUDACXX}" STREQUAL "")
    # CMake takes arguments behind the compiler in CUDACXX; they would be lost here.
    get_filename_component(wanted "$ENV{CUDACXX}" PROGRAM PROGRAM_ARGS arguments)
    if(NOT wanted OR arguments)
      set(wanted "$ENV{CUDACXX}")
    endif()
  endif()
  # What an earlier configuration found may be gone, and what it did not find may be there.
  find_program(nvcc NAMES ${wanted} nvcc NO_CACHE
    HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(CMAKE_CUDA_COMPILER AND NOT EXISTS "${CMAKE_CUDA_COMPILER}")
    file(REMOVE ${CMAKE_PLATFORM_INFO_DIR}/CMakeCUDACompiler.cmake)  # what CMake remembers of it
  endif()
  if(NOT nvcc)
    unset(CMAKE_CUDA_COMPILER CACHE)
    set(${why} "no nvcc was found; NVIDIA's CUDA Toolkit 12 or newer has it")
  else()
    set(CMAKE_CUDA_COMPILER ${nvcc} CACHE FILEPATH "CUDA compiler" FORCE)
    # The check takes seconds: again only where something has changed.
    file(REAL_PATH ${nvcc} real_nvcc)
    file(TIMESTAMP ${real_nvcc} checked)
    convscale_nvcc_options(nvcc_options)
    string(PREPEND checked "${real_nvcc} ${CMAKE_CXX_COMPILER_VERSION} ${nvcc_options} ")
    if(NOT checked STREQUAL CONVSCALE_CHECKED_NVCC)
      message(STATUS "Looking at ${nvcc}")
      convscale_check_nvcc(${why} "${nvcc_options}")
    endif()
    if(${why})
      unset(CMAKE_CUDA_COMPILER CACHE)
    else()
      set(CONVSCALE_CHECKED_NVCC ${checked} CACHE INTERNAL "The nvcc that compiles C++20, and with what")
    endif()
  endif()
endmacro()

set(with_cuda FALSE)
set(CONVSCALE_NO_CUDA "")
if(NOT CONVSCALE_CUDA)
  set(CONVSCALE_NO_CUDA "CONVSCALE_CUDA was OFF")
elseif(CONVSCALE_CUDA STREQUAL "AUTO" AND CONVSCALE_SANITIZE)
  # The tests run its sources on the CPU instead.
  set(CONVSCALE_NO_CUDA "sanitizers do not reach into it")
else()
  convscale_find_nvcc(CONVSCALE_NO_CUDA)
  if(NOT CONVSCALE_NO_CUDA)
    set(with_cuda TRUE)
  elseif(NOT CONVSCALE_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "CONVSCALE_CUDA is ON, but ${CONVSCALE_NO_CUDA}")
  endif()
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

# --- Libraries that are kernels of the CPU ---

# convscale_kernel_library(KERNEL PACKAGE HEADER FOLDER LIBRARY...): the library of cpu/kernels/KERNEL.cpp,
# whose HEADER lies in an include folder or its FOLDER: the target convscale_with_KERNEL; or
# CONVSCALE_NO_KERNEL says why not, and names the Debian PACKAGE.
function(convscale_kernel_library kernel package header folder)
  string(TOUPPER ${kernel} name)
  set(wanted CONVSCALE_${name})
  set(${wanted} AUTO CACHE STRING "The CPU kernel ${kernel}: ON, OFF, or AUTO: if there is its library")
  set_property(CACHE ${wanted} PROPERTY STRINGS AUTO ON OFF)
  set(why "")
  if(NOT ${wanted})
    set(why "${wanted} was OFF")
  elseif(${wanted} STREQUAL "AUTO" AND CONVSCALE_STATIC)
    set(why "this program is to run where its library is not")
  else()
    # Not cached: what an earlier configuration found may be gone.
    find_path(include ${header} PATH_SUFFIXES ${folder} NO_CACHE)
    set(files)
    foreach(library IN LISTS ARGN)
      unset(file)
      find_library(file ${library} NO_CACHE)
      list(APPEND files ${file})
    endforeach()
    if(NOT include OR files MATCHES "NOTFOUND")
      set(why "its library was not found; on Debian: apt install ${package}")
    endif()
  endif()
  if(NOT why)
    add_library(convscale_with_${kernel} INTERFACE)
    target_include_directories(convscale_with_${kernel} SYSTEM INTERFACE ${include})
    target_link_libraries(convscale_with_${kernel} INTERFACE ${files})
  elseif(${wanted} AND NOT ${wanted} STREQUAL "AUTO")
    message(FATAL_ERROR "${wanted} is ON, but ${why}")
  else()
    message(STATUS "Without ${kernel}: ${why}")
  endif()
  set(CONVSCALE_NO_${name} "${why}" PARENT_SCOPE)
endfunction()

convscale_kernel_library(opencv libopencv-imgproc-dev opencv2/imgproc.hpp opencv4 opencv_imgproc opencv_core)
