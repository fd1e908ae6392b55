#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'END'
Usage: scripts/run.sh [--no-install] [--baseline[=KERNELS]] [--] [OPTION...]

Installs the Debian packages that the build lacks, builds convscale, and runs it with the options
given: without any, 33 images of 1000x1000 with 4 workers. Files are relative to the current
directory. Standard output is the program's alone, and so is the exit code once it runs.

  --baseline    then run the same workload the original's way, with SciPy (scripts/baseline.py), and
                print both in one table. Options of the program that the baseline does not have are
                not its. KERNELS is its --kernel: scipy-spawn, or a list such as
                scipy-serial,scipy-dragon. The exit code is the program's, or, if that is 0, the
                baseline's
  --dragon=PATH where the Dragon runtime of scipy-dragon is (or CONVSCALE_DRAGON)
  --no-install  install nothing; report what is missing and exit with 5
  --help        this text; "-- --help" prints the program's own options

Examples: scripts/run.sh --num_workers 8 --size 1080x1920 --json run.json
          scripts/run.sh --baseline --num_workers 2 --mem 16Mi
END
}

# shellcheck source=scripts/prepare.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/prepare.sh"

# Our own options may stand among the program's, but not behind "--".
install=yes baseline=no kernels=() dragon=() rest=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-install) install=no ;;
    --baseline) baseline=yes ;;
    --baseline=*) baseline=yes kernels=(--kernel "${1#*=}") ;;
    --dragon=*) dragon=("$1") ;;
    -h | --help) if [[ ${#rest[@]} -eq 0 ]]; then usage; exit; fi; rest+=("$1") ;;
    --) shift; break ;;
    *) rest+=("$1") ;;
  esac
  shift
done
set -- "${rest[@]}" "$@"

make_build_folder
packages=("${build_packages[@]}")
if [[ $baseline == yes ]]; then packages+=(python3 python3-numpy python3-scipy); fi
require_packages "$install" "${packages[@]}"
convscale=$root/build/release/bin/convscale
build_program() { build release convscale -DCONVSCALE_TESTS=OFF; }
if [[ $baseline == no ]]; then
  build_program
  exec "$convscale" "$@"
fi

# --- Beside SciPy

# Sorts "$@": what the baseline has, too, to `shared`; the program's --json to `json`; options that
# write to standard output to `to_output`.
shared=() json='' to_output='' unlike=''
sort_options() {
  local name
  while [[ $# -gt 0 ]]; do
    name=${1%%=*}
    case $name in
      --iterations | --burns | --num_workers | --num-workers | --size | --mem | --filter-size | \
        --stride | --fill | --seed | --images | --filters | --work_time | --work-time | --dtype | \
        -w | --json | --csv | --md)
        if [[ $1 == *=* ]]; then
          set -- "$name" "${1#*=}" "${@:2}"
        elif [[ $# -lt 2 ]]; then
          return  # the program says what is wrong with it
        fi
        case $name in
          --json | --csv | --md)
            if [[ $2 == - ]]; then to_output="$name -"; fi
            if [[ $name == --json ]]; then json=$2; fi
            ;;
          *) shared+=("$name" "$2") ;;
        esac
        shift
        ;;
      -w*) shared+=(-w "${1#-w}") ;;
      --method | --scope)
        local value=${1#*=}
        if [[ $1 != *=* ]]; then value=${2:-}; fi
        case $name,$value, in
          --method,*full,* | --scope,*end-to-end,* | *,,) ;;
          *) unlike="$name $value" ;;
        esac
        ;;
      --iteration-lines | --yes) shared+=("$1") ;;
    esac
    shift
  done
}

# What tells a file that was written from one that was there: inode, size, times; or nothing.
state_of() { stat -Lc '%i %s %y %z' -- "$1" 2>/dev/null || true; }

sort_options "$@"
if [[ -n $to_output ]]; then
  say "$to_output beside --baseline: standard output has the table; give a file"
  exit 2
fi
if [[ -n $unlike ]]; then
  say "$unlike beside --baseline: a pool runs method full, end to end; add that, or leave it out"
  exit 2
fi
python=python3
if [[ -x /usr/bin/python3 ]]; then python=/usr/bin/python3; fi
compare=("$python" -B "$root/scripts/baseline.py" "${kernels[@]}" "${dragon[@]}" "${shared[@]}")
"${compare[@]}" --dry-run  # now, not when the program has run
build_program

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
arguments=("$@")
if [[ -z $json ]]; then
  json=$scratch/run.json
  arguments+=(--json "$json")
fi
before=$(state_of "$json")
code=0
"$convscale" "${arguments[@]}" || code=$?
# An interrupt, or options that the program did not take: there is nothing to compare with.
if [[ $code -eq 2 || $code -eq 130 ]]; then exit "$code"; fi
if [[ ! -s $json || $(state_of "$json") == "$before" ]]; then
  if [[ $code -ne 0 ]]; then say "no results to put beside SciPy's"; fi
  exit "$code"
fi

say "now the same workload with SciPy, which takes its time"
echo
baseline_code=0
"${compare[@]}" --beside "$json" || baseline_code=$?
exit $((code != 0 ? code : baseline_code))
