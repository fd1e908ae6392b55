#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'END'
Usage: scripts/bench_compare.sh [--no-install] [--quick] [--only REGEX] [--rounds N]
                                [--threshold PERCENT] BASE [--] [OPTION...]
       scripts/bench_compare.sh [--quick] [--only REGEX] --list

Builds this working tree, changes that are not committed included, and another revision of it
(build/compare, kept for the next time), with the same compiler and options of CMake. Then runs both
programs in turns over workloads that span filter sizes, strides, methods, element types and sizes,
and says of each whether it got faster, slower or stayed the same (docs/compare.md). Takes some
minutes, on a machine that does nothing else.

  BASE          the revision to compare with: a commit, branch or tag, such as HEAD~1 or main
  --quick       a third of the workloads
  --only REGEX  the workloads whose name has this, such as full, f32 or "k(7|9)-"
  --rounds N    runs of each workload and program; without it as many as the verdicts need
  --threshold PERCENT  a smaller change is called the same (2%)
  --list        print the names of the workloads
  --no-install  install nothing; report what is missing and exit with 5
  --help        this text

Options behind -- go to both programs, such as -- --num_workers 2 (a worker for each processor unless
told otherwise). Exit codes: 0 if nothing is slower, 1 if something is, or no longer runs or verifies;
2 for a bad option or revision; 3 for what a program cannot run here; 5 if it could not finish.
END
}

# shellcheck source=scripts/prepare.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/prepare.sh"

usage_error() {
  say "$1; scripts/bench_compare.sh --help lists the options"
  exit 2
}

install=yes list=no base='' own=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-install) install=no ;;
    --quick) own+=("$1") ;;
    --list) list=yes ;;
    --only | --rounds | --threshold)
      if [[ $# -lt 2 ]]; then usage_error "$1: a value is missing"; fi
      own+=("$1=$2")
      shift
      ;;
    --only=* | --rounds=* | --threshold=*) own+=("$1") ;;
    -h | --help) usage; exit ;;
    --) shift; break ;;
    -*) usage_error "$1: no such option; options of the program follow --" ;;
    *)
      if [[ -n $base ]]; then usage_error "$1: a second BASE; options of the program follow --"; fi
      base=$1
      ;;
  esac
  shift
done
if [[ -z $base && $list == no ]]; then usage_error "BASE, the revision to compare with, is missing"; fi

# cached NAME: what this tree's build has for it.
cached() { sed -n "s/^$1:[A-Z]*=//p" -- "$root/build/release/CMakeCache.txt"; }

# make_source FOLDER COMMIT: a clone, which shares this one's objects and is in no list of its
# worktrees. An unfinished one has another name.
make_source() {
  local folder=$1 commit=$2 partial=$1.partial log=$root/build/compare.log
  if [[ -d $folder ]]; then return; fi
  rm -rf -- "$partial"
  if ! { git clone --quiet --shared --no-checkout -- "$root" "$partial" &&
    git -C "$partial" -c core.hooksPath=/dev/null checkout --quiet --detach "$commit" &&
    git -C "$partial" diff --quiet; } >"$log" 2>&1; then  # checkout does not fail for a lost file
    rm -rf -- "$partial"
    fail_with "$log" git clone
  fi
  mv -- "$partial" "$folder"
}

# build_base FOLDER: its program, as this tree's was built.
build_base() {
  local options
  mapfile -t options < <(sed -En 's/^((CONVSCALE_[A-Z_]+|CMAKE_(CUDA_ARCHITECTURES|PREFIX_PATH|EXE_LINKER_FLAGS)):(BOOL|STRING|PATH|UNINITIALIZED)=.*)/-D\1/p' \
    "$root/build/release/CMakeCache.txt")
  # `build` configures anew where these are others than before.
  CXX=$(cached CMAKE_CXX_COMPILER) CXXFLAGS=$(cached CMAKE_CXX_FLAGS)
  CUDACXX=$(cached CMAKE_CUDA_COMPILER) CUDAFLAGS=$(cached CMAKE_CUDA_FLAGS)
  export CXX CXXFLAGS CUDACXX CUDAFLAGS
  root=$1
  mkdir -p -- "$root/build"
  build release convscale "${options[@]}"
}

make_build_folder
require_packages "$install" "${build_packages[@]}" python3 python3-numpy python3-scipy
python=python3
if [[ -x /usr/bin/python3 ]]; then python=/usr/bin/python3; fi  # the one that packages are for
compare=("$python" -B "$root/scripts/bench_compare.py" "${own[@]}")
if [[ $list == yes ]]; then exec "${compare[@]}" --list -- "$@"; fi
"${compare[@]}" --list -- "$@" >/dev/null  # what is wrong with them is said now, not after the builds

# In a hook of git these name a repository, and not the one that we are in.
for variable in $(git rev-parse --local-env-vars 2>/dev/null || true); do unset "$variable"; done
if ! top=$(git -C "$root" rev-parse --show-toplevel 2>&1) || [[ ! $top -ef $root ]]; then
  fail "$root: is not a git checkout, so there is no other revision of it (git: ${top##*$'\n'})"
fi
if ! commit=$(git -C "$root" rev-parse --verify --quiet "$base^{commit}" 2>/dev/null); then
  usage_error "$base: no such revision here; give a commit, branch or tag, such as HEAD~1"
fi
say "before is $base (${commit:0:12}), after is this working tree"

build release convscale -DCONVSCALE_TESTS=OFF
folder=$root/build/compare/${commit:0:12}
mkdir -p -- "$root/build/compare"
make_source "$folder" "$commit"
(build_base "$folder")
exec "${compare[@]}" --results "$(realpath -m --relative-to=. -- "$root/build/compare/results")" \
  "$folder/build/release/bin/convscale" "$root/build/release/bin/convscale" -- "$@"
