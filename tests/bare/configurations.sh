#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a bare Debian 12 where run.sh has built: other compilers, libraries, flags and places. The program
# alone is built where that says more than its configuration.
set -euo pipefail
# shellcheck source=tests/bare/check.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/check.sh"

readonly clone=$PWD builds=/srv/builds
export CMAKE_GENERATOR=Ninja CMAKE_BUILD_PARALLEL_LEVEL=2  # a bare machine has no make
small=(--size 50 --mem 25000 --iterations 2 --quiet)

install() {
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}

# configures NAME OPTION...: in builds/NAME, as the README has it for CMake by hand.
configures() {
  local name=$1
  shift
  succeeds cmake -S "${source:-$clone}" -B "$builds/$name" -DCONVSCALE_TESTS=OFF "$@"
}

# refuses NAME REGEX OPTION...: the configuration ends with a line that has REGEX.
refuses() {
  local name=$1 regex=$2
  shift 2
  ends_with 1 cmake -S "$clone" -B "$builds/$name" -DCONVSCALE_TESTS=OFF "$@"
  tr '\n' ' ' <"$err" | tr -s ' ' >"$scratch/line"  # CMake wraps its messages
  has "$scratch/line" "$regex"
}

# builds NAME OPTION...: configures, builds the program, and runs it.
builds() {
  configures "$@"
  succeeds cmake --build "$builds/$1" --target convscale
  succeeds "$builds/$1/bin/convscale" "${small[@]}"
  has "$out" '^Verification: passed'
}

# --- Compilers and libraries

clang_14_with_mpich() {
  CXX=clang++-14 builds clang14 -DCONVSCALE_MPI=ON
  succeeds mpiexec.mpich -np 2 "$builds/clang14/bin/convscale" "${small[@]}" --num_workers 2 --json -
  has "$out" '"ranks": 2'
  has "$out" '"compiler": "Clang 14'
}

# No header comes from a precompiled one.
clang_16_read_only() {
  mkdir -p /srv/read-only
  mount --bind "$clone" /srv/read-only
  mount -o remount,ro,bind /srv/read-only
  source=/srv/read-only CXX=clang++-16 builds clang16 -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON
  (cd /srv/read-only && ends_with 5 ./scripts/run.sh)
  has_line "$err" 1 'run.sh: /srv/read-only/build cannot be written.*'
  umount /srv/read-only
}

# As scripts/package.sh builds, but for CUDA; and with make.
static_with_warnings() {
  CXXFLAGS='-Wpedantic -Weffc++ -Wuseless-cast -Wpadded' \
    builds static -G 'Unix Makefiles' -DCONVSCALE_STATIC=ON -DCONVSCALE_MPI=OFF
  succeeds cmake -DOBJDUMP=objdump -DNEWEST=2.34 "-DFILE=$builds/static/bin/convscale" \
    -P "$clone/cmake/check_glibc.cmake"
  ends_with 1 cmake -DOBJDUMP=objdump -DNEWEST=2.3 "-DFILE=$builds/static/bin/convscale" \
    -P "$clone/cmake/check_glibc.cmake"
}

# Of a plain cmake, too, which has no second try.
mpi_comes_and_goes() {
  configures mpi
  lacks "$out" 'Without MPI'
  succeeds ./scripts/run.sh --no-install --quiet
  succeeds build/release/bin/convscale --version
  has "$out" 'MPICH'
  DEBIAN_FRONTEND=noninteractive apt-get -q purge -y --autoremove libmpich-dev mpich
  succeeds ./scripts/run.sh --no-install --quiet
  lacks "$err" 'configured anew'
  configures mpi
  has "$out" 'Without MPI: no MPI library'
  succeeds build/release/bin/convscale --version
  has "$out" '^without MPI: no MPI library that works was found; on Debian: apt install '
}

# --- nvcc

# nvcc_that SCRIPT NAME REGEX: goes on without CUDA, and says why in a line with REGEX; with
# CONVSCALE_CUDA=ON it does not.
nvcc_that() {
  mkdir -p /srv/nvcc
  printf '#!/bin/sh\n%s\n' "$1" >/srv/nvcc/nvcc
  chmod +x /srv/nvcc/nvcc
  PATH=/srv/nvcc:$PATH configures "$2"
  has "$out" "Without CUDA: /srv/nvcc/nvcc does not compile C\+\+20 here: $3"
  PATH=/srv/nvcc:$PATH refuses "$2.on" 'CONVSCALE_CUDA is ON, but /srv/nvcc/nvcc does not compile' \
    -DCONVSCALE_CUDA=ON
  rm -r /srv/nvcc
  PATH=/srv/nvcc:$PATH configures "$2"
  has "$out" 'Without CUDA: no nvcc was found'
}

nvcc_too_old() {
  nvcc_that "echo \"nvcc fatal   : Value 'c++20' is not defined for option 'std'\" >&2; exit 1" \
    nvcc_old "nvcc fatal +: Value 'c\+\+20'"
}

nvcc_fails() { nvcc_that 'exit 127' nvcc_fails 'it says nothing, and ends with: 127'; }

# --- Flags

refuses_fast_math() {
  CXXFLAGS=-Ofast refuses ofast 'CMAKE_CXX_FLAGS has -Ofast, with which no result can be verified'
  CXXFLAGS='-O2 -ffast-math' refuses fast 'CMAKE_CXX_FLAGS has -ffast-math'
}

# --- Eigen

# make_eigen VERSION: what an installed Eigen of that version tells CMake.
make_eigen() {
  mkdir -p "/srv/eigen-$1"
  cat >"/srv/eigen-$1/Eigen3Config.cmake" <<'EOF'
add_library(Eigen3::Eigen INTERFACE IMPORTED)
target_include_directories(Eigen3::Eigen INTERFACE /usr/include/eigen3)
EOF
  # As CMake writes it for SameMajorVersion, which Eigen asks for.
  cat >"/srv/eigen-$1/Eigen3ConfigVersion.cmake" <<EOF
set(PACKAGE_VERSION $1)
if(PACKAGE_FIND_VERSION AND NOT PACKAGE_FIND_VERSION_MAJOR EQUAL ${1%%.*})
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
EOF
}

eigen_versions() {
  make_eigen 5.0.1
  make_eigen 3.3.9
  configures eigen5 -DEigen3_DIR=/srv/eigen-5.0.1
  refuses eigen3 'Eigen 3\.3\.9 in .*: 3\.4 or newer is needed' -DEigen3_DIR=/srv/eigen-3.3.9
}

refuses_in_source() {
  cp -a "$clone/." /srv/in-source
  (cd /srv/in-source && ends_with 1 cmake .)
  has "$err" 'Build in a folder of its own'
}

names_a_missing_library() {
  refuses no_fmt 'fmt was not found; on Debian and Ubuntu: apt install libfmt-dev' \
    -DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON
}

# --- Places

# In a repository of somebody else's, whose revision is not ours.
tarball_without_git() {
  mkdir -p /srv/theirs/convscale
  git -C "$clone" archive HEAD | tar -x -C /srv/theirs/convscale
  git -C /srv/theirs init -q
  git -C /srv/theirs -c user.name=a -c user.email=b commit -q --allow-empty -m theirs
  source=/srv/theirs/convscale configures tarball
  succeeds cmake --build "$builds/tarball" --target convscale_build_info
  has "$builds/tarball/common/build_info.cpp" '\.git = "",'
}

moved_with_its_build() {
  mkdir -p '/srv/a folder, moved'
  cp -a "$clone" '/srv/a folder, moved/convscale'
  cd '/srv/a folder, moved/convscale'
  succeeds ./scripts/run.sh --no-install --quiet
  has "$err" 'does not fit what is here, and is configured anew'
  has "$out" '^Verification: passed'
}

# Failed, then mended: nothing of it stays behind.
other_flags() {
  cd "$clone"
  CXXFLAGS=-Dconstexpr=static ends_with 5 ./scripts/run.sh --no-install --quiet
  has "$err" '^FAILED: '
  succeeds bash -c 'source scripts/prepare.sh; build release convscale_build_info -DCONVSCALE_TESTS=OFF'
  has "$err" 'others than before: all is built anew'
  lacks build/release/build.ninja 'constexpr=static'
}

another_generator() {
  mkdir -p "$clone/build/dev"
  succeeds cmake --preset dev -G 'Unix Makefiles' -DCONVSCALE_TESTS=OFF
  succeeds bash -c 'source scripts/prepare.sh; build dev convscale_build_info -DCONVSCALE_TESTS=OFF'
  has "$err" 'does not fit what is here, and is configured anew'
}

check "packages: clang 14 and 16, MPICH, make" install clang-14 clang-16 mpich libmpich-dev binutils make
check "clang++ 14 with MPICH: built, two ranks run" clang_14_with_mpich
check "clang++ 16 from a read-only tree: built" clang_16_read_only
check "static, extra warnings, make: built for glibc 2.34" static_with_warnings
check "MPI came after run.sh, and went: built" mpi_comes_and_goes
check "nvcc too old for C++20: configured without, or refused" nvcc_too_old
check "nvcc that fails: configured without, or refused" nvcc_fails
check "CXXFLAGS=-Ofast, -ffast-math: refused" refuses_fast_math
check "Eigen 5 configured, Eigen 3.3 refused" eigen_versions
check "a missing library: refused with the command" names_a_missing_library
check "a tarball without .git: configured, no revision" tarball_without_git
check "a checkout moved with its build: built anew" moved_with_its_build
check "a build folder of another generator: built anew" another_generator
check "CXXFLAGS that failed, and then none: configured anew" other_flags
check "a build in the source folder: refused" refuses_in_source
finish
