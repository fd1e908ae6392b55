# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # variables of the script that sources this one
# The steps of gpu_report.sh: their order, their limits, what each runs. Sourced, not run; needs
# gpu_report_steps.sh and gpu_report_machine.sh. Each is one process where it can be, since each
# process makes contexts, and each row's data; its rows come in the order of their worth.

# NAME LIMIT_S needs WHAT
readonly steps_table='
machine           10 any     the node, its driver, tools; devices, kernels (always)
tests             35 any     gpu_test, but for cuDNN
ours              35 device  33 x 1000^2 resident, one stream: all our kernels
large             45 device  8192 x 256^2, resident, end to end: kernels of auto
transfers         17 device  33 x 1000^2 end to end, with 1 and 4 streams
pageable           8 device  the same from pageable host memory
probe             30 device  gpu_probe: reads, copies and launches by themselves
memcheck          15 device  compute-sanitizer on a small shape, all our kernels
racecheck         15 device  the same with racecheck
variants          50 device  33 x 1000^2 resident, 1 and 4 streams: all but cudnn
variants-large    40 device  8192 x 256^2 resident, one stream: all but cudnn
peers             65 device  gpu_peers.py: PyTorch, CuPy, JAX, Triton if there
cudnn             35 device  kernel cudnn on both workloads, resident
break-even        50 device  33 x 1000^2: from how many images on the GPU pays
ncu               50 device  Nsight Compute on vector, rolling, tiled and read_all
synccheck         25 device  as memcheck
initcheck         25 device  as memcheck
peers-large       60 device  gpu_peers.py with 8192 x 256^2
tests-cudnn       20 any     gpu_test, the part that is about cuDNN
larger            40 device  268 x 1000^2, resident, end to end: kernels of auto
streams           40 device  8192 x 256^2, resident and end to end, one stream
end-to-end        40 device  33 x 1000^2 end to end: all our kernels
larger-kernels    40 device  268 x 1000^2 resident: all our kernels
memcheck-program  30 device  memcheck of a whole run of convscale
'
readonly -A plans=(
  [first]="machine tests ours large transfers pageable probe memcheck racecheck"
  [second]="machine variants variants-large peers cudnn break-even ncu synccheck initcheck
    peers-large tests-cudnn larger streams end-to-end larger-kernels memcheck-program"
  [all]="machine tests ours large transfers pageable probe variants variants-large peers cudnn
    break-even ncu peers-large tests-cudnn larger streams end-to-end larger-kernels
    memcheck racecheck synccheck initcheck memcheck-program"
)

# Seconds that they are made for.
declare -A budgets=([first]=230 [second]=370 [all]=460)

# list_steps: for people.
list_steps() {
  local name limit needs what
  while read -r name limit needs what; do
    if [[ -n $name ]]; then printf '  %-16s %3s s %s\n' "$name" "$limit" "$what"; fi
  done <<<"$steps_table"
}

# plan_of LIST: sets planned, each step once, machine first. Fails with the name that is none.
plan_of() {
  local name step
  planned=(machine)
  IFS=, read -r -a names <<<"$1,"
  for name in "${names[@]}"; do
    if ! grep -qE '^[a-z-]+$' <<<"$name"; then
      unknown=$name
      return 1
    fi
    for step in ${plans[$name]:-$name}; do
      if ! grep -q "^$step " <<<"$steps_table"; then
        unknown=$step
        return 1
      fi
      case " ${planned[*]} " in *" $step "*) ;; *) planned+=("$step") ;; esac
    done
  done
}

# is_planned NAME
is_planned() { case " ${planned[*]} " in *" $1 "*) ;; *) return 1 ;; esac; }

run_steps() {
  local name limit needs
  for name in "${planned[@]}"; do
    read -r _ limit needs _ < <(grep "^$name " <<<"$steps_table")
    step "$name" "$limit" "run_${name//-/_}" "$needs"
  done
}

# --- Tests

# count_of WORD FILE: the number in GoogleTest's "[  WORD  ] 12 tests".
count_of() {
  sed -nE "s/^\[ +$1 +\] ([0-9]+) tests?.*/\1/p" -- "$2" | tail -n 1 | grep . || echo 0
}

# gpu_tests NAME FILTER [COMMAND...]
gpu_tests() {
  local name=$1 filter=$2 file=$out/runs/$1.txt passed counts
  shift 2
  if [[ ! -x $bin/gpu_test ]]; then
    note failed 0 "$name" "$bin: there is no program gpu_test"
    return
  fi
  attempt "$file" "$@" "$bin/gpu_test" --gtest_color=no --gtest_filter="$filter"
  passed=$(count_of PASSED "$file")
  counts="$passed passed, $(count_of FAILED "$file") failed, $(count_of SKIPPED "$file") skipped"
  if ((code == 0)) && [[ $counts == "0 passed, 0 failed, 0 skipped" ]]; then code=1; fi
  if ((code == 0 && passed == 0)) && [[ -z $no_device ]]; then code=1; fi
  if ((code == 0)) && [[ -n $no_device && $interrupted == no ]]; then
    note "not possible" "$took_s" "$name" "no device: $no_device; $counts"
    return
  fi
  conclude "$name" "$file" "$counts"
}

run_tests() { gpu_tests tests '-*cudnn*:*Cudnn*'; }

run_tests_cudnn() {
  if [[ $cudnn_says == no* ]]; then
    note "not possible" 0 tests-cudnn "$cudnn_says"
  else
    gpu_tests tests-cudnn '*cudnn*:*Cudnn*' "${with_cudnn[@]}"
  fi
}

# How the tools begin what they report.
reported='^=+ +(Error: Race reported|Invalid |Uninitialized |Barrier error|Program hit |Leaked '
readonly reported+='|Misaligned )'

# sanitize NAME TOOL COMMAND...: fails where the tool reports an error, and never for being slow.
sanitize() {
  local name=$1 tool=$2 file=$out/runs/$1.txt limit=$((step_ends - SECONDS)) summary errors
  shift 2
  if [[ -z $sanitizer ]]; then
    note "not possible" 0 "$name" "compute-sanitizer is neither on PATH nor in CUDA_HOME"
    return
  fi
  attempt "$file" "$sanitizer" --tool "$tool" --error-exitcode 9 "$@"
  summary=$(sed -nE 's/^=+ ((ERROR|RACECHECK) SUMMARY: .*)/\1/p' "$file" | tail -n 1)
  # A tool that is ended says things of its own, which are no errors of ours.
  errors=$(grep -cE "$reported" -- "$file")
  if ((code != 0)) && grep -q 'Device not supported' -- "$file"; then  # as some virtual machines'
    note "not possible" "$took_s" "$name" "$(grep -m 1 'Device not supported' -- "$file")"
    return
  elif ((code != 0 && errors > 0)); then
    code=9 summary="$errors errors until its end"
  elif [[ $interrupted == no ]] &&
    ((code == 124 || code == 125 || (code == 137 && took_s >= limit))); then
    note "cut short" "$took_s" "$name" "its limit of $limit s; no error until then"
    return
  elif ((code == 0)) && [[ -z $summary ]]; then
    code=1 summary="the tool gave no summary"
  elif ((code == 0)) && [[ $* == *gtest* && $(count_of PASSED "$file") == 0 ]]; then
    code=1 summary="no test ran"
  fi
  conclude "$name" "$file" "$summary"
}

# cuDNN's own kernels are not ours to check.
readonly small_tests='*EveryKernel.UndecimatedOutputs/*:*EveryKernel.TakesFewer*:-*cudnn*'
sanitize_tests() {
  sanitize "$1" "$1" "$bin/gpu_test" --gtest_color=no --gtest_filter="$small_tests"
}

run_memcheck() { sanitize_tests memcheck; }
run_racecheck() { sanitize_tests racecheck; }
run_synccheck() { sanitize_tests synccheck; }
run_initcheck() { sanitize_tests initcheck; }

run_memcheck_program() {
  sanitize memcheck-program memcheck "$program" --backend cuda --kernel "$(kernels_but cudnn)" \
    --method strided,full --scope resident,end-to-end --num_workers 2 --size 61 --mem 37210 \
    --iterations 2 --burns 1 --no-progress
}

# --- Measurements

# kernels_but NAME...: a list for --kernel.
kernels_but() {
  local kernel list=''
  for kernel in "${kernels[@]}"; do
    case " $* " in *" $kernel "*) ;; *) list+=,$kernel ;; esac
  done
  list=${list#,}
  echo "${list:-auto}"
}

ours() { kernels_but cudnn thrust; }

# shellcheck disable=SC2054  # the commas are the program's
readonly every=(--backend cuda --method strided,full --dtype float64,float32)
readonly small=(--mem 33554432 --size 1000)    # 33 images of 1000x1000
readonly many=(--mem 536870912 --size 256)     # 8192 images of 256x256
readonly larger=(--mem 268435456 --size 1000)  # 268 images of 1000x1000
readonly few=(--iterations 5 --burns 1)
readonly both=resident,end-to-end

# limits_up FILE: of the table of gpu_peers.py, the rows in which the limit of a peer was up.
limits_up() { grep -E '^rows? [0-9, -]+ failed: it did not end within ' -- "$1"; }

# only_limits FILE: nothing else failed in it.
only_limits() {
  [[ -n $(limits_up "$1") ]] &&
    (($(limits_up "$1" | wc -l) == $(grep -cE '^rows? [0-9, -]+ failed: ' -- "$1")))
}

# recorded NAME COMMAND...: what writes runs/NAME.json. It is no failure if nothing can be measured
# here, such as a library's kernel without the library, or if there was no time for all.
recorded() {
  local name=$1 file=$out/runs/$1.txt
  shift
  attempt "$file" "$@" --json "$out/runs/$name.json"
  if [[ $interrupted == yes ]]; then
    conclude "$name" "$file" ""
  elif ((code == 3)); then
    note "not possible" "$took_s" "$name" "$(last_line "$file")"
  elif ((code == 124)); then
    note "cut short" "$took_s" "$name" "its limit of $limit_s s; what it had is in the tables"
  elif ((code == 5)) && only_limits "$file"; then
    note "cut short" "$took_s" "$name" \
      "$(limits_up "$file" | head -n 1); what was done is in the tables"
  else
    conclude "$name" "$file" ""
  fi
}

# measure NAME OPTION...
measure() {
  local name=$1
  shift
  recorded "$name" "$program" "$@" --no-progress
}

run_ours() { measure ours "${every[@]}" --scope resident "${small[@]}" --kernel "$(ours)" -w 1; }
run_large() { measure large "${every[@]}" --scope "$both" "${many[@]}" -w 4; }
run_transfers() { measure transfers "${every[@]}" --scope end-to-end "${small[@]}" -w 1,4; }

run_pageable() {
  measure pageable "${every[@]}" --scope end-to-end "${small[@]}" -w 1,4 --host-memory pageable
}

run_variants() {
  measure variants "${every[@]}" --scope resident "${small[@]}" --kernel "$(kernels_but cudnn)" \
    -w 1,4
}

# Results are compared with those that `large` verified, or verified here.
run_variants_large() {
  local options=("${every[@]}" --scope resident "${many[@]}" -w 1)
  # Without host data, which take longer to make than all kernels run. Their digests are compared
  # with those of verified rows.
  measure variants-large "${options[@]}" --kernel "$(kernels_but cudnn)" --no-verify
  if is_planned large; then return; fi
  if [[ $interrupted == yes ]] || (($(left_of_step) < least_s)); then
    note "not done" 0 variants-large-verified "the step's limit was up"
  else
    measure variants-large-verified "${options[@]}" --kernel auto
  fi
}

# shellcheck disable=SC2054
run_cudnn() {
  local options=("${every[@]}" --scope resident --kernel cudnn -w 1 --no-progress)
  recorded cudnn "${with_cudnn[@]}" "$program" "${options[@]}" "${small[@]}"
  if ((code == 3)); then
    note "not possible" 0 cudnn-large "$last_remark"
  elif [[ $interrupted == yes ]] || (($(left_of_step) < least_s)); then
    note "not done" 0 cudnn-large "the step's limit was up"
  else
    recorded cudnn-large "${with_cudnn[@]}" "$program" "${options[@]}" "${many[@]}" --no-verify
  fi
}

run_break_even() {
  local processors workers=4
  processors=$(nproc)
  if ((processors > 4 && processors <= 64)); then workers=4,$processors; fi
  measure break-even --backend cpu,cuda --method full,strided "${small[@]}" -w "$workers"
}

run_larger() { measure larger "${every[@]}" --scope "$both" "${larger[@]}" -w 4 "${few[@]}"; }

run_streams() {
  measure streams "${every[@]}" --scope "$both" "${many[@]}" -w 1 --no-verify "${few[@]}"
}

run_end_to_end() {
  measure end-to-end "${every[@]}" --scope end-to-end "${small[@]}" --kernel "$(ours)" -w 4
}

run_larger_kernels() {
  measure larger-kernels "${every[@]}" --scope resident "${larger[@]}" --kernel "$(ours)" -w 4 \
    --no-verify "${few[@]}"
}

# --- Programs beside ours

run_probe() {
  if [[ ! -x $bin/gpu_probe ]]; then
    note "not possible" 0 probe "$bin: there is no program gpu_probe"
  else
    # It ends by itself: what ends it costs the figures that it has.
    local left
    left=$(left_of_step)
    recorded probe "$bin/gpu_probe" --seconds $((left > 40 ? 30 : (left * 3 + 3) / 4))
  fi
}

# peers NAME LIST BESIDE_S OPTION...: those that this python3 has, each with its part of the time
# but for what the script takes beside them: it makes the data.
peers() {
  local name=$1 list=$2 count each
  count=$(tr ',' '\n' <<<"$list" | wc -l)
  each=$((($(left_of_step) - $3) / count))
  each=$((each > 40 ? 40 : each < 1 ? 1 : each))
  shift 3
  if [[ ! -r $here/gpu_peers.py ]]; then
    note "not possible" 0 "$name" "$here: there is no gpu_peers.py"
  elif ! command -v python3 >/dev/null; then
    note "not possible" 0 "$name" "there is no python3 on the path"
  else
    recorded "$name" "${with_cudnn[@]}" python3 -B "$here/gpu_peers.py" --peers "$list" "$@" \
      --method strided,full --dtype float64,float32 --limit "$each"
  fi
}

run_peers() { peers peers torch,triton,cupy,jax 5 "${small[@]}"; }

# XLA would compile thousands of groups for longer than all steps together.
run_peers_large() { peers peers-large torch,triton,cupy 12 "${many[@]}"; }

# profile NAME KERNEL OPTION...: the first launch of a kernel in a run; ncu then ends the run.
profile() {
  local file=$out/runs/ncu-$1.txt name=ncu-$1 kernel=$2
  shift 2
  if [[ $interrupted == yes ]] || (($(left_of_step) < least_s)); then
    note "not done" 0 "$name" "the step's limit was up"
    return
  fi
  attempt "$file" "$ncu" --clock-control none --kernel-name "regex:$kernel" --launch-count 1 \
    --kill yes --section SpeedOfLight --section MemoryWorkloadAnalysis --section Occupancy \
    --section LaunchStats --section SchedulerStats --section WarpStateStats \
    "$program" --backend cuda --scope resident "${small[@]}" -w 1 --iterations 1 --burns 0 \
    --no-verify --no-progress "$@"
  # Not every driver lets everybody count, and not every virtual machine anybody.
  no_counters=$(grep -m 1 -E 'ERR_NVGPUCTRPERM|Failed to initialize the profiler' "$file" || true)
  if [[ -n $no_counters ]]; then
    note "not possible" "$took_s" "$name" "$no_counters"
  elif grep -qE '^ +Duration ' "$file"; then
    note ok "$took_s" "$name" ""  # the run itself was ended
  elif ((code == 124)) && [[ $interrupted == no ]]; then
    note "cut short" "$took_s" "$name" "the step's limit of $limit_s s"
  else
    if ((code == 0)); then code=1; fi
    conclude "$name" "$file" ""
  fi
}

run_ncu() {
  if [[ -z $ncu ]]; then
    note "not possible" 0 ncu "ncu is neither on PATH nor in CUDA_HOME"
    return
  fi
  no_counters=''
  profile vector-float64 strided_vector --kernel vector --method strided
  if [[ -z $no_counters ]]; then
    profile rolling-float64 full_rolling --kernel rolling --method full
    profile tiled-strided-float64 strided_tiled --kernel tiled --method strided
    profile read_all read_all --kernel vector --method strided
    profile vector-float32 strided_vector --kernel vector --method strided --dtype float32
    profile rolling-float32 full_rolling --kernel rolling --method full --dtype float32
    profile tiled-full-float64 full_tiled --kernel tiled --method full
  fi
}
