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

configures() {
  local name=$1
  shift
  succeeds cmake -S "$clone" -B "$scratch/$name" -DCONVSCALE_TESTS=OFF -DCONVSCALE_MPI=OFF "$@"
}

# A toolkit of 11 or older: all but C++20.
too_old_for_cpp20() {
  mkdir -- "$scratch/old"
  cat >"$scratch/old/nvcc" <<EOF
#!/bin/sh
case "\$*" in *c++20*) echo "nvcc fatal   : Value 'c++20' is not defined for option 'std'" >&2; exit 1 ;; esac
exec '$nvcc' "\$@"
EOF
  chmod +x "$scratch/old/nvcc"
  CUDACXX=$scratch/old/nvcc configures too_old
  has "$out" "Without CUDA: $scratch/old/nvcc does not compile C\+\+20 here: nvcc fatal"
  # A better one is there the next time.
  CUDACXX=$nvcc configures too_old
  lacks "$out" 'Without CUDA'
}

outside_the_path() {
  env -u CUDACXX PATH=/usr/bin:/bin CUDA_HOME="$(dirname -- "$nvcc")/.." \
    cmake -S "$clone" -B "$scratch/outside" -DCONVSCALE_TESTS=OFF -DCONVSCALE_MPI=OFF >"$out"
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
  if [[ -e /usr/include/cudnn.h ]]; then return; fi  # Debian and Ubuntu have it there, too
  has "$out" 'Without CUDNN: no cudnn.h was found'
  if grep -q cudnn_convolution "$scratch/no_cudnn/build.ninja" "$scratch"/no_cudnn/*/CMakeFiles/*/build.make \
    2>/dev/null; then
    echo "cuDNN's sources would be compiled"
    return 1
  fi
}

check "an nvcc too old for C++20: without; a better one later: with" too_old_for_cpp20
check "a toolkit outside the PATH is found" outside_the_path
if [[ $EUID -eq 0 ]] && unshare --mount true 2>/dev/null; then
  check "without cudnn.h" without_cudnn
else
  echo "not tried: without cudnn.h, for which this user cannot mount"
fi
finish
