#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# toolkit.sh NVCC: on this machine, which has a CUDA toolkit: configurations with less of it. Nothing is
# built.
set -euo pipefail
# shellcheck source=tests/bare/check.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/check.sh"

clone=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
nvcc=$(readlink -f -- "$1")
include=$(dirname -- "$nvcc")/../include

if command -v ninja >/dev/null; then export CMAKE_GENERATOR=Ninja; fi

configures() {
  local name=$1
  shift
  succeeds cmake -S "$clone" -B "$scratch/$name" -DCONVSCALE_TESTS=OFF -DCONVSCALE_MPI=OFF "$@"
}

# A toolkit of 11 or older: all but C++20.
too_old_for_cpp20() {
  # shellcheck disable=SC2016  # the wrapper's own
  make_nvcc "$scratch/old" 'case "$*" in *c++20*) ;; *) false;; esac' \
    "nvcc fatal   : Value 'c++20' is not defined for option 'std'"
  CUDACXX=$scratch/old/nvcc configures too_old
  has "$out" "Without CUDA: $scratch/old/nvcc does not compile C\+\+20 here: nvcc fatal"
  # A better one is there the next time.
  CUDACXX=$nvcc configures too_old
  lacks "$out" 'Without CUDA'
}

# make_nvcc FOLDER CONDITION SAYS: an nvcc that refuses commands that meet CONDITION.
make_nvcc() {
  mkdir -p -- "$1"
  printf '#!/bin/sh\nif %s; then echo "%s" >&2; exit 1; fi\nexec %q "$@"\n' "$2" "$3" "$nvcc" >"$1/nvcc"
  chmod +x "$1/nvcc"
}

# As NVIDIA installs it: with AUTO and with ON. It may go again.
outside_the_path() {
  make_nvcc "$scratch/home/bin" false ''
  local option
  for option in AUTO ON; do
    env -u CUDACXX CUDA_HOME="$scratch/home" PATH=/usr/bin:/bin \
      cmake -S "$clone" -B "$scratch/outside.$option" -DCONVSCALE_TESTS=OFF -DCONVSCALE_MPI=OFF \
      "-DCONVSCALE_CUDA=$option" >"$out"
    has "$out" "Looking at $scratch/home/bin/nvcc"
    lacks "$out" 'Without CUDA'
  done
  rm -- "$scratch/home/bin/nvcc"
  CUDACXX='' configures outside.AUTO
  lacks "$out" "$scratch/home"
}

# A compiler of the host that is too new, as nvcc sees it, is got round in the ways that CMake knows.
host_compiler_too_new() {
  # shellcheck disable=SC2016  # the wrapper's own
  make_nvcc "$scratch/strict" 'case "$*" in *-ccbin*|*-allow-unsupported*|*--version*|*__cmake*) false;; esac' \
    'error: -- unsupported GNU version! use -allow-unsupported-compiler'
  CUDACXX=$scratch/strict/nvcc configures strict
  has "$out" 'Without CUDA: .* error: -- unsupported GNU version!'
  CUDACXX=$scratch/strict/nvcc CUDAFLAGS=-allow-unsupported-compiler configures strict.flags
  lacks "$out" 'Without CUDA'
  CUDACXX=$scratch/strict/nvcc CUDAFLAGS=-allow-unsupported-compiler configures strict.flags
  lacks "$out" 'Looking at'
  CUDACXX=$scratch/strict/nvcc CUDAHOSTCXX=g++ configures strict.host
  lacks "$out" 'Without CUDA'
}

# An nvcc that was looked at once is looked at again where it is given something else to do, and only
# there.
something_else_to_do() {
  local change
  CUDACXX=$nvcc configures change -DCMAKE_CUDA_ARCHITECTURES=90
  lacks "$out" 'Without CUDA'
  CUDACXX=$nvcc configures change
  lacks "$out" 'Looking at'
  for change in CMAKE_CUDA_FLAGS=--no-such-option 'CMAKE_CUDA_ARCHITECTURES=90;20-real' \
    CMAKE_CUDA_HOST_COMPILER=/no/such/compiler; do
    # Beside what undoes the last.
    CUDACXX=$nvcc configures change -DCMAKE_CUDA_FLAGS= -DCMAKE_CUDA_ARCHITECTURES=90 \
      -UCMAKE_CUDA_HOST_COMPILER "-D$change"
    has "$out" "Without CUDA: .*(no-such-option|compute_20|host compiler)"
  done
  CUDACXX=$nvcc configures change -DCMAKE_CUDA_FLAGS= -DCMAKE_CUDA_ARCHITECTURES=90 \
    -UCMAKE_CUDA_HOST_COMPILER
  lacks "$out" 'Without CUDA'
  CUDACXX=$nvcc configures change -DCMAKE_CUDA_ARCHITECTURES=80-real\;90 -DCMAKE_CUDA_FLAGS=-lineinfo
  has "$out" 'Looking at'
  lacks "$out" 'Without CUDA'
}

# In a mount namespace, where the toolkit's headers but cuDNN's are.
without_cudnn() {
  export -f configures succeeds ends_with
  export clone scratch out err
  # shellcheck disable=SC2016  # for the inner shell
  unshare --mount bash -euc '
    mkdir "$scratch/include"
    mount --bind "$1" "$scratch/include"
    mount -t tmpfs none "$1"
    ln -s "$scratch"/include/* "$1/"
    rm -f "$1"/cudnn*
    CUDACXX=$2 configures no_cudnn
  ' - "$(realpath -- "$include")" "$nvcc"
  has "$out" 'Without CUDNN: no cudnn.h was found'
  if grep -q cudnn_convolution "$scratch/no_cudnn/build.ninja" "$scratch"/no_cudnn/*/CMakeFiles/*/build.make \
    2>/dev/null; then
    echo "cuDNN's sources would be compiled"
    return 1
  fi
}

check "an nvcc too old for C++20: without; a better one later: with" too_old_for_cpp20
check "a toolkit outside the PATH is found, and may go" outside_the_path
check "a host compiler that nvcc refuses" host_compiler_too_new
check "other flags, architectures or host compilers are tried" something_else_to_do
if [[ -e /usr/include/cudnn.h ]]; then
  echo "skipped: without cudnn.h, which is in /usr/include, too"
elif [[ $EUID -eq 0 ]] && unshare --mount true 2>/dev/null; then
  check "without cudnn.h" without_cudnn
else
  echo "skipped: without cudnn.h, for which this user cannot mount"
fi
finish
