# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # read by the scripts that source this one
# What run.sh and test.sh share: the Debian packages, and the quiet build. Sourced, not run.

# The same names on Debian 12 and newer, and on Ubuntu 24.04 and newer.
build_packages=(g++ cmake ninja-build pkg-config git
  libfmt-dev libcli11-dev nlohmann-json3-dev libhwloc-dev libeigen3-dev)
test_packages=(debootstrap libgtest-dev libgmock-dev libthrust-dev libopencv-imgproc-dev binutils
  python3 python3-numpy python3-scipy python3-matplotlib python3-pytest mypy shellcheck
  openmpi-bin libopenmpi-dev iproute2 procps slurm-wlm munge)

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
program=${0##*/}
under=()  # a command that the build and the tests run under

say() { echo "$program: $*" >&2; }

# make_build_folder: makes $root/build, where logs and builds go.
make_build_folder() {
  local file
  mkdir -p -- "$root/build" 2>/dev/null || true
  for file in "$root/build" "$root"/build/*.log; do
    if [[ ! -w $file && ($file == "$root/build" || -e $file) ]]; then
      fail "$file cannot be written; a checkout of your own can be built. A program that is built" \
        "runs by itself: $root/build/release/bin/convscale"
    fi
  done
}

# fail MESSAGE...: the machine lacks something, or a step could not finish.
fail() {
  say "$@"
  exit 5
}

# show_progress LABEL: a line that says how long LABEL has been going on, and of ninja's "[3/60]" on
# standard input how far it is. It moves on a terminal; elsewhere there is a new one now and then.
show_progress() {
  local label=$1 line count='' start=$SECONDS code next=30
  while true; do
    code=0
    IFS= read -r -t 1 line || code=$?
    if ((code > 0 && code <= 128)); then break; fi  # the end; above that, a second has passed
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
      count=" (step ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]})"
    fi
    if [[ -t 2 && ${TERM:-dumb} != dumb ]]; then
      printf '\r\033[K%.79s' "$program: $label: $((SECONDS - start)) s$count" >&2
    elif ((SECONDS - start >= next)); then
      say "$label: $((SECONDS - start)) s$count"
      next=$((next + 30))
    fi
  done
  if [[ -t 2 && ${TERM:-dumb} != dumb ]]; then printf '\r\033[K' >&2; fi
}

# runs LOG LABEL COMMAND...: with its output in LOG, behind what is there, and its progress shown.
runs() (
  set -o pipefail
  log=$1 label=$2
  shift 2
  "$@" </dev/null 2>&1 | tee -a -- "$log" | show_progress "$label"
)

# fail_with LOG COMMAND...: what went wrong first, as far as LOG says it.
fail_with() {
  local log=$1 said
  shift
  said=$(grep -m 1 -A 20 -E '^(FAILED: |CMake Error|E: )' -- "$log" || tail -n 20 -- "$log")
  printf '%s\n' "$said" >&2
  fail "failed: $* (all of its output: $log)"
}

# require_packages INSTALL PACKAGE...: installs those that are missing; with INSTALL = no, reports
# them and exits.
require_packages() {
  local install=$1 package missing=() sudo=()
  shift
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: going on with what is installed; the build needs what Debian calls $*"
    return
  fi
  for package in "$@"; do
    if ! dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
      missing+=("$package")
    fi
  done
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi

  local command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  if [[ $install == no ]]; then
    fail "missing packages; as root: $command"
  fi
  if [[ $EUID -ne 0 ]]; then
    # A password can be asked for on a terminal only.
    sudo=(sudo)
    if [[ ! -t 0 ]]; then sudo+=(-n); fi
    if ! command -v sudo >/dev/null || ! "${sudo[@]}" true 2>/dev/null; then
      fail "missing packages, and neither root nor sudo here to install them; as root: $command"
    fi
  fi
  say "installing ${missing[*]}"
  local log=$root/build/packages.log start=$SECONDS
  : >"$log"
  for command in update "install -y --no-install-recommends -o DPkg::Lock::Timeout=300 ${missing[*]}"; do
    # shellcheck disable=SC2086  # they are several
    set -- "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q $command
    runs "$log" "installing packages" "$@" || fail_with "$log" "$@"
  done
  say "installed in $((SECONDS - start)) s"
}

# build PRESET TARGET CMAKE_ARGUMENT...: configures PRESET and builds TARGET.
build() (
  preset=$1 target=$2 log=$root/build/$1.log start=$SECONDS
  shift 2
  : >"$log"
  cd -- "$root" || exit
  configure=(cmake --preset "$preset" "$@")
  # CMake reads these in its first configuration only, and keeps them in silence.
  local environment="CXX=${CXX:-} CXXFLAGS=${CXXFLAGS:-} CUDACXX=${CUDACXX:-} CUDAFLAGS=${CUDAFLAGS:-}"
  local known=build/$preset/environment.txt
  if [[ -e $known && $(<"$known") != "$environment" ]]; then
    say "the compiler or its flags in the environment are others than before: all is built anew"
    configure+=(--fresh)
  fi
  mkdir -p -- "build/$preset"
  echo "$environment" >"$known"
  if ! runs "$log" "configuring" "${configure[@]}"; then
    # What an earlier configuration left: another place, generator or compiler.
    if ! grep -Eq 'CMakeCache.txt directory|does not match the (source|generator)|Does not match the generator|is not a full path to an existing compiler' -- "$log"; then
      fail_with "$log" "${configure[@]}"
    fi
    mv -- "$log" "$log.before"
    say "build/$preset does not fit what is here, and is configured anew"
    configure+=(--fresh)
    runs "$log" "configuring" "${configure[@]}" || fail_with "$log" "${configure[@]}"
  fi
  command=("${under[@]}" cmake --build --preset "$preset" --target "$target")
  runs "$log" "building $target" "${command[@]}" || fail_with "$log" "${command[@]}"
  if grep -q '^\[.* Building ' -- "$log"; then
    say "built $target with preset $preset in $((SECONDS - start)) s (log: $log)"
  fi
)
