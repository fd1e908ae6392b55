#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a bare machine, in a fresh clone: the first command of the README, and what follows from it.
set -euo pipefail
# shellcheck source=tests/bare/check.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/check.sh"

# is_default_run FILE: the whole of standard output is what the README shows.
is_default_run() {
  local number='[0-9]+(\.[0-9]+)?'
  has_line "$1" 1 'Number of workers: 4'
  has_line "$1" 2 'Number of images: 33'
  has_line "$1" 3 "Average time: $number second\(s\)"
  has_line "$1" 4 "Standard deviation: $number second\(s\)"
  has_line "$1" 6 'backend +kernel +method +dtype +size .* of bound +limit'
  has_line "$1" 7 'cpu +(scalar|avx2|avx512) +full +float64 +1000x1000 +33 +4 +[0-9].*'
  has "$1" '^Verification: passed \(1333233 outputs, max error '
  has "$1" "^FOM: $number images/s$"
}

check "run.sh installs, builds, and runs the default job" succeeds ./scripts/run.sh
check "its output is the README's" is_default_run "$out"
check "the build has no warnings" lacks build/release.log 'warning:'
check "a second run builds nothing" succeeds ./scripts/run.sh --no-install --quiet
check "which is short" lacks build/release.log 'Building CXX'
says_what_it_lacks() {
  succeeds ./scripts/run.sh --no-install "$1"
  has "$out" '^without MPI: no MPI library .* apt install openmpi-bin libopenmpi-dev$'
  has "$out" '^without CUDA: no nvcc was found'
}
check "--version says what it lacks" says_what_it_lacks --version
check "--list says what it lacks" says_what_it_lacks --list
remedy='not built: .* apt install libopencv-imgproc-dev'
check "and names the kernel of a library that is not there" has "$out" "opencv +not supported: $remedy"
check "which ends with 3, and not with a crash" ends_with 3 ./scripts/run.sh --no-install --kernel opencv
useradd --create-home stranger
check "another user gets one line" ends_with 5 runuser -u stranger -- ./scripts/run.sh
finish
