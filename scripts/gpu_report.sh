#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=scripts/gpu_report_steps.sh
source "$here/gpu_report_steps.sh"
# shellcheck source=scripts/gpu_report_plan.sh
source "$here/gpu_report_plan.sh"
# shellcheck source=scripts/gpu_report_machine.sh
source "$here/gpu_report_machine.sh"
# shellcheck source=scripts/gpu_report_bundle.sh
source "$here/gpu_report_bundle.sh"

usage() {
  cat <<'END'
Usage: gpu_report.sh [--steps LIST] [--budget SECONDS] [--out DIR]
                     [--bundle FILE] [--bin DIR] [--no-build]

Tests and measures what convscale does on this machine's GPU. Writes one new
folder, which holds report.md, each run's records and text, and all of it as one
file, report.tgz, that is written anew after every step, and when a signal ends
the report. A short report.md comes on standard output at the end, all else on
standard error. Needs no network, installs nothing, and changes no setting of
the card. From a source tree it builds the programs first; from a package's
folder it takes those of the package.

  --steps LIST    which steps, separated by commas, in this order; or a plan:
                  first, second, all (the default: in the order of their worth)
  --budget S      what is under way after S seconds is ended, and later steps
                  are left out; 230 for the plan first, 370 for second, else
                  460. What is built first does not count. --time-limit is
                  another name
  --out DIR       where to write; must be new or empty (gpu-report-HOST-TIME in
                  the current folder, or in build/ of a source tree)
  --bundle FILE   where a copy of report.tgz goes after every step, and no other
                  file
  --bin DIR       take convscale, gpu_test and gpu_probe from there; build
                  nothing
  --no-build      take those of the last build
  --list-steps    the steps and plans
  --help          this text

Exit codes: 0 all is well, 2 a bad option, 3 this machine has no GPU that can be
used (what can be known without is written), 5 something failed, 130
interrupted. The report lists what was not done.
END
}

show_steps() {
  echo "Steps, each with its own limit; what one does not use goes to the next:"
  list_steps
  local plan
  for plan in first second all; do
    echo
    # shellcheck disable=SC2086  # many blanks become one
    echo "--steps $plan:" ${plans[$plan]} | fold -s -w 80
  done
}

usage_error() {
  echo "gpu_report.sh: $1; --help lists the options" >&2
  exit 2
}

# --- Options

out='' bundle='' bin='' budget='' build=yes steps=all folder=$here/../build/
if [[ -x $here/bin/convscale ]]; then bin=$here/bin build=no folder=''; fi  # a package
while [[ $# -gt 0 ]]; do
  case $1 in
    --out | --bundle | --budget | --time-limit | --bin | --steps)
      if [[ $# -lt 2 || -z $2 ]]; then usage_error "$1: a value is missing"; fi
      case $1 in
        --out) out=$2 ;;
        --bundle) bundle=$2 ;;
        --budget | --time-limit)
          budget=$2
          if [[ ! $budget =~ ^[1-9][0-9]{0,5}$ ]]; then
            usage_error "$1 $budget: expected whole seconds of at least 1"
          fi
          ;;
        --bin) bin=$2 build=no ;;
        --steps) steps=$2 ;;
      esac
      shift
      ;;
    --no-build) build=no ;;
    --list-steps)
      show_steps
      exit
      ;;
    -h | --help)
      usage
      exit
      ;;
    *) usage_error "$1: no such option" ;;
  esac
  shift
done
if ! plan_of "$steps"; then
  usage_error "--steps $steps: there is no step ${unknown:-without a name}; --list-steps names them"
fi
if [[ -z $budget ]]; then budget=${budgets[$steps]:-${budgets[all]}}; fi
bin=${bin:-$here/../build/cuda/bin}
if [[ $build == no && ! -x $bin/convscale ]]; then
  usage_error "$bin: there is no program convscale"
fi
bin=$(cd -- "$bin" 2>/dev/null && pwd || echo "$bin")
out=${out:-${folder}gpu-report-$(uname -n)-$(date -u +%Y%m%dT%H%M%SZ)}
if [[ -e $out && ! -d $out ]] || [[ -d $out && -n $(ls -A -- "$out") ]]; then
  usage_error "--out $out: is there and not empty"
fi
if [[ -n $bundle ]]; then
  if [[ -d $bundle ]] || ! : 2>/dev/null >"$bundle.part"; then
    usage_error "--bundle $bundle: cannot be written"
  fi
  rm -f -- "$bundle.part"
  bundle=$(cd -- "$(dirname -- "$bundle")" && pwd)/$(basename -- "$bundle")
fi
if ! said=$(mkdir -p -- "$out" 2>&1); then
  usage_error "--out $out: cannot be made (${said##*: }); --out names a folder that can be written"
fi
mkdir -- "$out/runs" 2>/dev/null ||
  usage_error "--out $out: cannot be written, or another report began there"
out=$(cd -- "$out" && pwd)
bundle_name=$(basename -- "$out" | tr -c 'A-Za-z0-9._\n-' _)
{ echo "gpu_report.sh --steps $steps --budget $budget, begun $(date -u)" >"$out/report.log"; } \
  2>/dev/null || usage_error "--out $out: cannot be written; is the disk full?"

# --- The report. From here on nothing but a signal, or the end, ends the script: what one command
# cannot do must not cost what the others can.

set +eu
trap stop_early INT TERM HUP
trap : PIPE  # the reader of standard error may be gone
trap stop_clocks EXIT

program=$bin/convscale
# The files that gpu_test reads lie in a package, too; its own path is that of the sources.
if [[ -d $here/golden ]]; then export CONVSCALE_TEST_DATA=$here; fi
start_clocks
find_python
if [[ -n $python_missing ]]; then note "not possible" 0 "tables of report.md" "$python_missing"; fi
sanitizer=$(find_tool compute-sanitizer)
ncu=$(find_tool ncu)
find_cudnn
if [[ $build == yes ]]; then
  say "building the programs takes minutes; $out/runs/build.txt has what the compiler says"
  asked_budget=$budget budget=900  # what is built first is no part of it
  step build 600 build_programs
  budget=$asked_budget carry_s=0 SECONDS=0
fi
run_steps
stop_clocks
write_report
write_bundle
rm -f -- "$out/.tables.txt"

left_out=$(grep -c '^not done' "$out/steps.tsv" 2>/dev/null)
say "$failed failed, ${left_out:-0} not done${no_device:+; no device: $no_device}"
say "$out/report.md; all of it: $out/report.tgz"
say_report
if [[ $interrupted == yes ]]; then exit 130; fi
if ((failed > 0)); then exit 5; fi
if [[ -n $no_device ]]; then exit 3; fi
exit 0
