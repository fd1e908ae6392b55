#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'END'
Usage: scripts/dragon_env.sh [DIR]

Makes the Python virtual environment DIR (build/dragon) with the Dragon runtime, the package
dragonhpc, for the kernel scipy-dragon of scripts/baseline.py. NumPy and SciPy are the system's.
Prints what to do with it. An environment that has Dragon already is left as it is.

Exit codes: 0 it is there, 2 a bad option, 5 it could not be made.

Example: scripts/dragon_env.sh && scripts/baseline.py --dragon=build/dragon
END
}

# shellcheck source=scripts/prepare.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/prepare.sh"

case ${1-} in
  -h | --help) usage; exit ;;
  -*) say "$1: no such option; --help lists what there is"; exit 2 ;;
esac
if [[ $# -gt 1 ]]; then
  say "$2: a second DIR; give one"
  exit 2
fi
folder=${1:-$root/build/dragon}
make_build_folder
log=$root/build/dragon.log
if [[ -e $folder && ! -e $folder/pyvenv.cfg ]]; then
  fail "$folder: is there and is no environment"
fi
if [[ ! -x $folder/bin/dragon ]]; then
  say "making $folder (log: $log)"
  : >"$log"
  if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
    fail "Python cannot make environments; as root: apt-get install -y python3-venv"
  fi
  quietly "$log" /usr/bin/python3 -m venv --system-site-packages -- "$folder"
  quietly "$log" "$folder/bin/python3" -m pip install dragonhpc
fi
say "scripts/baseline.py --dragon=$folder uses it, and so does it with CONVSCALE_DRAGON=$folder"
