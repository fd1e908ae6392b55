#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: gpu_report.sh [--out DIR] [--time-limit S] [--bin DIR] [--no-build]

Tests and measures everything that convscale does on this machine's GPU, and writes report.md, a log
and the results as JSON into one new folder. Needs no network and installs nothing. From a source
tree it builds the programs first; from a package's folder it takes those of the package.

  --out DIR       where to write; must be new or empty (gpu-report-HOST-TIME in the current folder,
                  or in build/ of a source tree)
  --time-limit S  what is not begun S seconds after the start is left out (460)
  --bin DIR       take convscale and gpu_test from there; build nothing
  --no-build      take those of the last build
  --help          this text

Exit codes: 0 all is well, 2 a bad option, 3 this machine has no GPU that can be used (what can be
known without is written), 5 something failed, 130 interrupted. The report lists what was not done.
EOF
}

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
say() { echo "gpu_report.sh: $*" >&2; }

usage_error() {
  say "$1; --help lists the options"
  exit 2
}

# --- Options

out='' bin='' time_limit=460 build=yes folder=$here/../build/
if [[ -x $here/bin/convscale ]]; then bin=$here/bin build=no folder=''; fi  # a package
while [[ $# -gt 0 ]]; do
  case $1 in
    --out | --time-limit | --bin)
      if [[ $# -lt 2 || -z $2 ]]; then usage_error "$1: a value is missing"; fi
      case $1 in
        --out) out=$2 ;;
        --time-limit) time_limit=$2 ;;
        --bin) bin=$2 build=no ;;
      esac
      shift
      ;;
    --no-build) build=no ;;
    -h | --help) usage; exit ;;
    *) usage_error "$1: no such option" ;;
  esac
  shift
done
if [[ ! $time_limit =~ ^[1-9][0-9]{0,5}$ ]]; then
  usage_error "--time-limit $time_limit: expected whole seconds of at least 1"
fi
bin=${bin:-$here/../build/cuda/bin}
if [[ $build == no && ! -x $bin/convscale ]]; then
  usage_error "$bin: there is no program convscale"
fi
out=${out:-${folder}gpu-report-$(uname -n)-$(date -u +%Y%m%dT%H%M%SZ)}
if [[ -e $out && ! -d $out ]] || [[ -d $out && -n $(ls -A -- "$out") ]]; then
  usage_error "--out $out: is there and not empty"
fi
mkdir -p -- "$out" || usage_error "--out $out: cannot be made"
mkdir -- "$out/runs" || usage_error "--out $out: cannot be written, or another report began there"
out=$(cd -- "$out" && pwd)
log=$out/report.log steps=$out/steps.tsv
: >"$log"
: >"$steps"

# shellcheck source=scripts/gpu_report_steps.sh
source "$here/gpu_report_steps.sh"
trap stop_early INT TERM HUP

# --- Building

build_programs() {
  local file=$out/runs/build.txt missing
  may_run build || return 0
  # shellcheck disable=SC2016  # expanded by the inner shell
  if ! missing=$(bash -c 'source "$1/prepare.sh"
    require_packages no "${build_packages[@]}" libgtest-dev libgmock-dev' \
    gpu_report.sh "$here" 2>&1); then
    note failed 0 build "${missing#gpu_report.sh: }"
    return 0
  fi
  # Where cmake/optional.cmake looks.
  if ! PATH=$PATH:${CUDA_HOME:-}/bin:${CUDA_PATH:-}/bin:/usr/local/cuda/bin \
    command -v "${CUDACXX:-nvcc}" >/dev/null; then
    note failed 0 build "there is no nvcc here; scripts/package.sh makes a folder that needs none"
    return 0
  fi
  # shellcheck disable=SC2016  # expanded by the inner shell
  attempt 300 "$file" bash -c 'cd -- "$1" && cmake --preset cuda -DCONVSCALE_TESTS=ON &&
    cmake --build --preset cuda --target convscale gpu_test' build "$here/.."
  if ((code == 125)); then code=124; fi  # nothing can be done without the programs
  conclude build 300 "$file" ""
}

# --- What machine this is

# described COMMAND...: its output under its own name; a missing program is no fault.
described() {
  echo "\$ $*"
  if ! command -v -- "$1" >/dev/null; then
    echo "(there is no $1)"
  else
    timeout --kill-after=2 20 "$@" 2>&1 </dev/null || echo "(exit $?)"
  fi
  echo
}

describe_machine() {
  local begin=$SECONDS
  {
    described uname -a
    described date -u
    described nvidia-smi
    described nvidia-smi -q
    described nvidia-smi topo -m
    described lscpu
    described free -g
    if [[ -r $here/VERSION ]]; then described cat "$here/VERSION"; fi
  } >"$out/machine.txt"
  note ok $((SECONDS - begin)) machine "machine.txt"
}

# A name of the list of devices that is not supported says why.
find_device() {
  local file=$out/runs/list.txt device
  if ! may_run "list of devices and kernels"; then
    no_programs="no time left" failed=$((failed + 1))  # nothing at all can be done
    return 0
  fi
  attempt 30 "$out/runs/version.txt" "$program" --version
  attempt 60 "$file" "$program" --list
  conclude "list of devices and kernels" 60 "$file" ""
  if ((code != 0)); then
    no_device="convscale --list failed"
    return 0
  fi
  device=$(grep -E '^cuda +device ' "$file" || true)
  if grep -qE '^cuda +device +[^ ]+ +supported' <<<"$device"; then return 0; fi
  no_device=$(sed -n 's/^cuda  *device .*not supported: //p' <<<"$device" | head -n 1)
  no_device=${no_device:-the program lists none}
  say "no device: $no_device"

  # Without one, the backend must end with this code and one line.
  attempt 60 "$out/runs/no_device.txt" "$program" --backend cuda --size 100 --mem 1000000
  if ((code == 3)); then
    code=0
    conclude "convscale --backend cuda without a device" 60 "" \
      "exit 3 as it should: $(last_line "$out/runs/no_device.txt")"
  else
    note failed "$took_s" "convscale --backend cuda without a device" "exit $code instead of 3"
  fi
}

# kernels_of_cuda: those that can run here, and others that the program names with a reason.
kernels_of_cuda() { awk '$1 == "cuda" && $2 == "kernel" { print $3 }' "$out/runs/list.txt"; }

# --- Tests

# count_of WORD FILE: the number in GoogleTest's "[  WORD  ] 12 tests".
count_of() {
  sed -nE "s/^\[ +$1 +\] ([0-9]+) tests?.*/\1/p" -- "$2" | tail -n 1 | grep . || echo 0
}

run_gpu_test() {
  local limit=120 file=$out/runs/gpu_test.txt passed counts
  may_run gpu_test || return 0
  if [[ ! -x $bin/gpu_test ]]; then
    note failed 0 gpu_test "$bin: there is no program gpu_test"
    return 0
  fi
  attempt "$limit" "$file" "$bin/gpu_test" --gtest_color=no
  passed=$(count_of PASSED "$file")
  counts="$passed passed, $(count_of FAILED "$file") failed, $(count_of SKIPPED "$file") skipped"
  if ((code == 0)) && [[ $counts == "0 passed, 0 failed, 0 skipped" ]]; then code=1; fi
  if ((code == 0 && passed == 0)) && [[ -z $no_device ]]; then code=1; fi
  conclude gpu_test "$limit" "$file" "$counts"
}

find_sanitizer() {
  local candidate
  for candidate in "$(command -v compute-sanitizer || true)" \
    "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" \
    "${CUDA_HOME:-/usr/local/cuda}/compute-sanitizer/compute-sanitizer"; do
    if [[ -n $candidate && -x $candidate ]]; then
      echo "$candidate"
      return
    fi
  done
}

# sanitize NAME TOOL COMMAND...: an error that the tool reports is a failure of the step.
sanitize() {
  local name=$1 tool=$2 limit=60 file=$out/runs/${1// /_}.txt summary
  shift 2
  may_run "$name" device || return 0
  if [[ -z $sanitizer ]]; then
    note "not done" 0 "$name" "compute-sanitizer is neither on PATH nor in CUDA_HOME"
    return 0
  fi
  attempt "$limit" "$file" "$sanitizer" --tool "$tool" --error-exitcode 9 "$@"
  summary=$(sed -nE 's/^=+ ((ERROR|RACECHECK) SUMMARY: .*)/\1/p' "$file" | tail -n 1)
  if ((code == 0)) && [[ -z $summary ]]; then
    code=1 summary="the tool gave no summary"
  elif ((code == 0)) && [[ $* == *gtest* && $(count_of PASSED "$file") == 0 ]]; then
    code=1 summary="no test ran"
  fi
  conclude "$name" "$limit" "$file" "$summary"
}

# cuDNN's own kernels are not ours to check, and slow under these tools.
readonly sanitized_tests='*EveryKernel.*:Data.*:-*cudnn*'

run_sanitizers() {
  local sanitizer tool own
  sanitizer=$(find_sanitizer)
  for tool in memcheck racecheck synccheck initcheck; do
    sanitize "$tool" "$tool" "$bin/gpu_test" --gtest_color=no --gtest_filter="$sanitized_tests"
  done
  own=$(printf '%s\n' "${kernels[@]}" | grep -v '^cudnn$' | paste -sd, || true)
  sanitize "memcheck of a whole run" memcheck "$program" --backend cuda --kernel "${own:-auto}" \
    --method full,strided --scope end-to-end,resident --num_workers 2 --size 61 --mem 37210 \
    --iterations 2 --burns 1 --no-progress
}

# --- Measurements

# shellcheck disable=SC2054  # the commas are the program's
readonly every=(--backend cuda --method strided,full --dtype float64,float32)
# shellcheck disable=SC2054
readonly both=(--scope resident,end-to-end)
readonly small=(--mem 33554432 --size 1000)    # 33 images of 1000x1000
readonly many=(--mem 536870912 --size 256)     # 8192 images of 256x256
readonly large=(--mem 268435456 --size 1000)   # 268 images of 1000x1000
readonly few=(--iterations 5 --burns 1)

# measure NAME LIMIT_S OPTION...: writes runs/NAME.json. It is no failure if nothing could be
# measured here, such as a library's kernel without the library, or if there was no time for all.
measure() {
  local name=$1 limit=$2 file=$out/runs/$1.txt
  shift 2
  may_run "$name" device || return 0
  attempt "$limit" "$file" "$program" "$@" --no-progress --json "$out/runs/$name.json"
  if ((code == 3)); then
    note "not possible" "$took_s" "$name" "$(last_line "$file")"
  elif ((code == 124)) && [[ $interrupted == no ]]; then
    note "cut short" "$took_s" "$name" "its limit of $limit s; runs/$name.json has some rows"
  else
    conclude "$name" "$limit" "$file" ""
  fi
}

measure_first() {
  local kernel
  for kernel in "${kernels[@]}"; do
    measure "33x1000-$kernel" 60 "${every[@]}" "${both[@]}" "${small[@]}" --kernel "$kernel" \
      --num_workers 1,4
  done
  measure 8192x256-auto 90 "${every[@]}" "${both[@]}" "${many[@]}" --num_workers 4
}

measure_others() {
  local kernel workers processors
  for kernel in "${kernels[@]}"; do
    measure "8192x256-resident-$kernel" 60 "${every[@]}" --scope resident "${many[@]}" \
      --kernel "$kernel" --no-verify
  done
  measure 33x1000-pageable 30 "${every[@]}" --scope end-to-end "${small[@]}" --host-memory pageable
  processors=$(nproc)
  workers=4
  if ((processors > 4 && processors <= 64)); then workers=4,$processors; fi
  measure 33x1000-break-even 60 --backend cpu,cuda --method full,strided "${small[@]}" \
    --num_workers "$workers"
  measure 268x1000-auto 60 "${every[@]}" "${both[@]}" "${large[@]}" "${few[@]}"
}

measure_rest() {
  local kernel
  for kernel in "${kernels[@]}"; do
    measure "268x1000-resident-$kernel" 40 "${every[@]}" --scope resident "${large[@]}" \
      --kernel "$kernel" --no-verify "${few[@]}"
  done
  measure 8192x256-one-stream 60 "${every[@]}" "${both[@]}" "${many[@]}" --num_workers 1 \
    --no-verify "${few[@]}"
  for kernel in "${kernels[@]}"; do
    measure "8192x256-end-to-end-$kernel" 60 "${every[@]}" --scope end-to-end "${many[@]}" \
      --kernel "$kernel" --no-verify "${few[@]}"
    measure "268x1000-end-to-end-$kernel" 60 "${every[@]}" --scope end-to-end "${large[@]}" \
      --kernel "$kernel" --no-verify "${few[@]}"
  done
}

# --- The report

# Without a Python: the list of steps, and the program's own tables as they are.
plain_report() {
  local file
  echo "# GPU report: $(uname -n)"
  echo
  echo "This holds the program's own tables. The comparison of them is missing: Python makes it."
  echo
  printf '    %s\n' "outcome, seconds, step, remark"
  sed 's/^/    /; s/\t/, /g' "$steps"
  for file in "$out"/runs/*.txt; do
    echo
    echo "## $(basename -- "$file" .txt)"
    echo
    tail -n 60 -- "$file" | sed 's/^/    /'
  done
}

write_report() {
  if python3 -c 'import json, sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    if python3 -B "$here/gpu_report.py" "$out" >"$out/report.md" 2>>"$log"; then return; fi
    note failed 0 "tables of report.md" "$(last_line "$log")"
  else
    note "not done" 0 "tables of report.md" "no Python 3.6 or later here"
  fi
  plain_report >"$out/report.md"
}

if [[ $build == yes ]]; then build_programs; fi
program=$bin/convscale
describe_machine
if ((failed > 0)); then
  no_programs="the build failed"  # what an earlier one left is something else
else
  find_device
fi
kernels=()
if [[ -r $out/runs/list.txt ]]; then mapfile -t kernels < <(kernels_of_cuda); fi
if [[ ${#kernels[@]} -eq 0 ]]; then kernels=(auto); fi

run_gpu_test
measure_first
run_sanitizers
measure_others
measure_rest
write_report

left_out=$(grep -c '^not done' "$steps" || true)
say "$failed failed, $left_out not done${no_device:+; no device: $no_device}"
say "$out/report.md"
if [[ $interrupted == yes ]]; then exit 130; fi
if ((failed > 0)); then exit 5; fi
if [[ -n $no_device ]]; then exit 3; fi
