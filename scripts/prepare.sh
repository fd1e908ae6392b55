# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # read by the scripts that source this one
# What run.sh and test.sh share: the Debian packages, and the quiet build. Sourced, not run.

# The same names on Debian 12 and newer, and on Ubuntu 24.04 and newer.
build_packages=(g++ cmake ninja-build pkg-config git
  libfmt-dev libcli11-dev nlohmann-json3-dev libhwloc-dev libeigen3-dev)
test_packages=(libgtest-dev libgmock-dev libthrust-dev binutils python3
  python3-numpy python3-scipy python3-matplotlib python3-pytest mypy
  openmpi-bin libopenmpi-dev iproute2 procps slurm-wlm munge)

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
program=${0##*/}
under=()  # a command that the build and the tests run under

say() { echo "$program: $*" >&2; }

# make_build_folder: makes $root/build, where logs and builds go.
make_build_folder() {
  if ! mkdir -p -- "$root/build" 2>/dev/null || [[ ! -w $root/build ]]; then
    fail "$root/build cannot be written; a copy of your own would do, or the program itself, if it" \
      "is built: $root/build/release/bin/convscale"
  fi
}

# fail MESSAGE...: the machine lacks something, or a step could not finish.
fail() {
  say "$@"
  exit 5
}

# quietly LOG COMMAND...: the output goes to LOG; its end is shown if the command fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >>"$log" 2>&1 </dev/null; then
    tail -n 40 -- "$log" >&2
    fail "failed: $* (all of its output: $log)"
  fi
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
  local log=$root/build/packages.log
  : >"$log"
  quietly "$log" "${sudo[@]}" apt-get -q update
  quietly "$log" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
    --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
}

# build PRESET TARGET CMAKE_ARGUMENT...: configures PRESET and builds TARGET.
build() (
  preset=$1 target=$2 log=$root/build/$1.log
  shift 2
  say "building $target with preset $preset (log: $log)"
  : >"$log"
  cd -- "$root" || exit
  quietly "$log" cmake --preset "$preset" "$@"
  quietly "$log" "${under[@]}" cmake --build --preset "$preset" --target "$target"
)
