# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # variables of the script that sources this one
# What runs the steps of gpu_report.sh: their limits, outcomes, signals, and the clocks beside them.
# Sourced, not run; needs the variables out, budget. No step can end the script: each
# runs in a process group of its own that is ended as a whole.

readonly least_s=3       # a step is not begun with less time left
readonly reserve_s=6     # for the last report and its bundle
readonly grace_s=8       # between asking a step to end and ending it
readonly hurry_s=3       # the same, once the report itself was asked to end
no_device='' no_programs='' failed=0 interrupted=no last_remark='' clocks=''
child='' asked=no       # what runs; whether it was asked to end
patient=no               # yes: it is let end by itself
carry_s=0                # what earlier steps left of their limits
limit_s=0                # of the step that runs
commands=0               # that were run
outcomes=()              # the lines of steps.tsv

# Whoever reads may be gone, as when a connection was cut; that ends nothing here.
say() {
  echo "gpu_report.sh: $*" >&2 || true
  { echo "$*" >>"$out/report.log"; } 2>/dev/null || true
}

# moment: now, as nvidia-smi writes it into clocks.csv.
moment() { printf '%(%Y/%m/%d %H:%M:%S)T' -1; }

# For steps, which need the grace, too.
time_left() { echo $((budget - reserve_s - grace_s - SECONDS)); }

# note OUTCOME SECONDS NAME REMARK: a line of the report's list of steps.
note() {
  local remark
  remark=$(tr '\t\r\n' '   ' <<<"$4" | sed 's/ *$//')
  outcomes+=("$1"$'\t'"$2"$'\t'"$3"$'\t'"$remark"$'\t'"${began:-$(moment)}"$'\t'"$(moment)")
  # All of them: what was lost when it could not be written comes back when it can.
  { printf '%s\n' "${outcomes[@]}" >"$out/steps.tsv"; } 2>/dev/null || lost steps.tsv
  # What is left out for the same reason is said once.
  if [[ $1 != "not done" || $4 != "$last_remark" ]]; then say "$3: $1${remark:+: $remark}"; fi
  last_remark=$4
  if [[ $1 == failed ]]; then failed=$((failed + 1)); fi
}

# lost FILE [WHY]: it could not be written. Said once, and counted as a failure.
lost_files=''
lost() {
  local what
  case " $lost_files " in *" $1 "*) return 0 ;; esac
  lost_files+=" $1"
  failed=$((failed + 1))
  if [[ $1 == /* ]]; then what=$1; else what=$out/$1; fi
  say "$what: cannot be written${2:+: $2}; the steps go on"
}

# --- Ending

# Only the first process of a step is asked, and once: convscale ends at once, and without its
# records, when it is asked twice.
stop_early() {
  interrupted=yes
  if [[ -n $child && $asked == no && $patient == no ]]; then
    asked=yes
    kill -TERM "$child" 2>/dev/null || true
  fi
}

# end_marked MARK: kills what a command has started and left, also in a session of its own, as
# gpu_peers.py starts its peers. All of it has the mark in its environment.
end_marked() {
  local file
  while read -r file; do
    file=${file%/environ}
    kill -KILL "${file#/proc/}"
  done < <(grep -lszx -- "CONVSCALE_REPORT_MARK=$1" /proc/[0-9]*/environ)
} 2>/dev/null

# run_bounded LIMIT_S FILE COMMAND...: in a process group of its own, of which nothing is left when
# this returns; sets code: 124 at the limit, 137 if it had to be killed.
run_bounded() {
  local limit=$1 file=$2 end='' last=0 mark=$$.$((++commands))
  shift 2
  code=0 asked=no
  set -m  # the process group
  {
    CONVSCALE_REPORT_MARK=$mark timeout --foreground --kill-after="$grace_s" "$limit" "$@" \
      >"$file" 2>&1 </dev/null &
  } 2>/dev/null
  child=$!
  set +m
  if [[ $interrupted == yes ]]; then stop_early; fi  # a signal may have come in between
  wait "$child" 2>/dev/null || code=$?
  while kill -0 "$child"; do  # a signal ended `wait`, not the child
    end=${end:-$((SECONDS + hurry_s))}
    if [[ $patient == no ]] && ((SECONDS >= end)); then kill -KILL -- "-$child"; fi
    sleep 0.1
  done 2>/dev/null  # where bash says, too, what it killed
  wait "$child" 2>/dev/null || last=$?
  if [[ -n $end || $interrupted == yes ]] && ((last != 127)); then code=$last; fi
  kill -KILL -- "-$child" 2>/dev/null || true  # what it left behind
  end_marked "$mark"
  child=''
}

# --- Steps

# last_line FILE: what a program said at its end.
last_line() { grep -v '^[[:space:]]*$' -- "$1" 2>/dev/null | tail -n 1 | cut -c 1-300; }

# first_error FILE: of a build, the line that says what is wrong; else what it said at its end.
first_error() {
  awk '/^CMake Error/ {  # which says more in the next line that is not empty
         said = $0
         while (getline > 0) if (NF) { $1 = $1; print said, $0; exit }
         print said; exit
       }
       /(^|[ :])([Ff]atal )?[Ee]rror:|undefined reference to|^nvcc fatal/ { print; exit }' "$1" |
    cut -c 1-300 | grep . || last_line "$1"
}

# left_of_step: what the next command of the step may take.
left_of_step() {
  local limit=$((step_ends - SECONDS)) left
  left=$(time_left)
  echo $((limit < left ? limit : left))
}

# attempt FILE COMMAND...: within what is left of the step's limit; its output goes to FILE. Sets
# took_s and code (124: over its limit; 125: the time of the report was up; 137: it was killed
# before).
attempt() {
  local file=$1 left limit=$((step_ends - SECONDS)) begin=$SECONDS whole=no
  shift
  left=$(time_left)
  if ((limit > left)); then limit=$left whole=yes; fi
  began=$(moment)
  run_bounded "$((limit > 0 ? limit : 1))" "$file" "$@"
  took_s=$((SECONDS - begin))
  if ((code == 137 && took_s >= limit)); then code=124; fi  # it was asked to end, and took its time
  if ((code == 124)) && [[ $whole == yes ]]; then code=125; fi
  { echo "exit $code after $took_s s, output in runs/$(basename -- "$file"): $*" \
    >>"$out/report.log"; } 2>/dev/null || lost report.log
}

# conclude NAME FILE REMARK: the outcome that `attempt` left.
conclude() {
  local name=$1 file=$2 remark=$3
  if [[ $interrupted == yes ]]; then
    note "cut short" "$took_s" "$name" "interrupted"
  elif ((code == 0)); then
    note ok "$took_s" "$name" "$remark"
  elif ((code == 125)); then
    note "cut short" "$took_s" "$name" "the time of the report was up"
  elif ((code == 124)); then
    note failed "$took_s" "$name" "not finished after its limit of $limit_s s"
  elif ((code == 137)); then
    note failed "$took_s" "$name" "had to be killed: it hung, or memory ran out"
  else
    note failed "$took_s" "$name" "exit $code: ${remark:-$(last_line "$file")}"
  fi
}

# may_run NAME [device]: or says why not.
may_run() {
  if [[ $interrupted == yes ]]; then
    note "not done" 0 "$1" "interrupted"
  elif [[ -n $no_programs && $1 != machine ]]; then
    note "not done" 0 "$1" "$no_programs"
  elif [[ ${2:-} == device && -n $no_device ]]; then
    note "not done" 0 "$1" "no device: $no_device"
  elif (($(time_left) < least_s)); then
    note "not done" 0 "$1" "no time left"
  else
    return 0
  fi
  return 1
}

# step NAME LIMIT_S FUNCTION [device]: runs FUNCTION within its limit and what earlier steps left of
# theirs, then writes report and bundle.
step() {
  local begin=$SECONDS began
  began=$(moment)
  if ! may_run "$1" "${4:-}"; then
    if [[ $1 == machine && -z $no_programs && $interrupted == no ]]; then
      no_programs=$last_remark failed=$((failed + 1))  # all others rest on it
    fi
    return 0
  fi
  limit_s=$(($2 + carry_s)) step_ends=$((SECONDS + $2 + carry_s))
  "$3"
  carry_s=$((step_ends - SECONDS))
  if ((carry_s < 0)); then carry_s=0; fi
  step_ends=$((SECONDS + 1))
  write_report
  write_bundle
}

# --- The clocks

# Changes no setting, and keeps the driver awake. Ends with this script however that ends.
start_clocks() {
  if ! command -v nvidia-smi >/dev/null; then
    note "not possible" 0 clocks "there is no nvidia-smi"
    return 0
  fi
  set -m
  # shellcheck disable=SC2016  # expanded by the inner shell
  bash -c 'nvidia-smi --query-gpu="$2" --format=csv -lms 1000 &
    tail --pid="$1" -f /dev/null & wait $!
    kill -KILL 0' clocks $$ \
    timestamp,index,clocks.sm,clocks.mem,power.draw,temperature.gpu \
    >"$out/clocks.csv" 2>"$out/runs/clocks.txt" </dev/null &
  clocks=$!
  set +m
  disown "$clocks"  # its end is nobody's business
}

stop_clocks() {
  if [[ -z $clocks ]]; then return 0; fi
  kill -KILL -- "-$clocks" 2>/dev/null || true
  clocks=''
  if ! grep -q '^[0-9]' -- "$out/clocks.csv" 2>/dev/null; then
    note "not possible" 0 clocks "$(last_line "$out/clocks.csv")"
  fi
}
