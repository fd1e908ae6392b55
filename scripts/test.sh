#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'END'
Usage: scripts/test.sh [--no-install] [--preset NAME] [--bare-all] [--] [CTEST_OPTION...]
       scripts/test.sh [--no-install] --mutations [--] [OPTION...]

Installs the Debian packages that the build and the tests lack, builds everything, and runs all
tests; their output and ctest's summary go to standard output. The exit code is ctest's: 0 if all
tests passed.

  --no-install   install nothing; report what is missing and exit with 5
  --preset NAME  release (default), dev, cuda, asan, tsan, or tidy, which only builds, under clang-tidy
  --bare-all     also run this script on a bare Debian 12 and a bare Debian 13, which takes some
                 15 minutes each; scripts/run.sh is tried there always, by root
  --mutations    instead of all that: plant each lie of tests/mutations in a copy of the program
                 (build/mutations), and see that a test or the program itself notices it; takes some
                 20 minutes on two cores. The exit code is 1 if one survives; "-- --help" lists
                 its options
  --help         this text

With CI=true in the environment, as CI services set it, warnings of the compiler are errors.

Examples: scripts/test.sh --preset asan -- -R Shape
          scripts/test.sh --mutations -- --only digest
END
}

# shellcheck source=scripts/prepare.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/prepare.sh"

usage_error() {
  say "$1; scripts/test.sh --help lists the options"
  exit 2
}

install=yes
preset=''
bare_all=OFF
mutations=no
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-install) install=no ;;
    --preset)
      if [[ $# -lt 2 ]]; then usage_error "--preset: a name is missing"; fi
      preset=$2
      shift
      ;;
    --bare-all) bare_all=ON ;;
    --mutations) mutations=yes ;;
    -h | --help) usage; exit ;;
    --) shift; break ;;
    *) usage_error "$1: no such option; options of ctest follow --" ;;
  esac
  shift
done
if [[ $mutations == yes && ($preset != '' || $bare_all == ON) ]]; then
  usage_error "--mutations has a build of its own; leave out --preset and --bare-all"
fi
preset=${preset:-release}

packages=("${build_packages[@]}" "${test_packages[@]}")
case $preset in
  release | dev | cuda | asan) ;;
  tsan)
    # The ThreadSanitizer of GCC 13 and older does not start on kernels that randomise more than 28
    # bits of an address.
    if setarch "$(uname -m)" -R true 2>/dev/null; then under=(setarch "$(uname -m)" -R); fi
    ;;
  tidy) packages+=(clang-tidy) ;;
  *) usage_error "--preset $preset: expected release, dev, cuda, asan, tsan or tidy" ;;
esac

make_build_folder
require_packages "$install" "${packages[@]}"
if [[ $mutations == yes ]]; then
  python=python3
  if [[ -x /usr/bin/python3 ]]; then python=/usr/bin/python3; fi  # the one that packages are for
  exec "$python" -B "$root/tests/mutations/run.py" "$@"
fi
options=(-DCONVSCALE_TESTS=ON "-DCONVSCALE_BARE_ALL=$bare_all")
# A newer compiler warns of more; that ends the build in our CI, not at a user's.
if [[ ${CI:-} == true ]]; then options+=(-DCONVSCALE_WARNINGS_AS_ERRORS=ON); fi
build "$preset" all "${options[@]}"
if [[ $preset == tidy ]]; then
  say "clang-tidy has no findings"
  exit
fi
cd -- "$root"
code=0
"${under[@]}" ctest --preset "$preset" --output-on-failure -j3 "$@" </dev/null || code=$?
# ctest names what was skipped, and keeps the reasons to itself: of a whole test, "skipped: REASON",
# and of single cases, as pytest -rs has them, "SKIPPED [1] FILE:LINE: REASON".
sed -En 's/^(skipped: |SKIPPED \[[0-9]+\] [^ ]+: )/test.sh: skipped: /p' \
  "build/$preset/Testing/Temporary/LastTest.log" | sort -u
exit "$code"
