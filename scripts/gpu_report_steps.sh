# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # variables of the script that sources this one
# The steps of gpu_report.sh: limits, outcomes, log. Sourced, not run; needs the variables out, log,
# steps and time_limit. Each step has its own limit; one that fails does not stop the
# others.

readonly least_s=5      # a step is not begun with less time left
readonly reserve_s=8    # for the report itself
readonly grace_s=10     # between asking a step to end and ending it
no_device='' no_programs='' failed=0 interrupted=no child='' last_remark=''

time_left() { echo $((time_limit - reserve_s - SECONDS)); }

# note OUTCOME SECONDS NAME REMARK: a line of the report's list of steps.
note() {
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$(tr '\t\n' '  ' <<<"$4" | sed 's/ *$//')" >>"$steps"
  # What is left out for the same reason is said once.
  if [[ $1 != "not done" || $4 != "$last_remark" ]]; then say "$3: $1${4:+: $4}"; fi
  last_remark=$4
  if [[ $1 == failed ]]; then failed=$((failed + 1)); fi
}

stop_early() {
  interrupted=yes
  if [[ -n $child ]]; then kill -TERM "$child" 2>/dev/null || true; fi
}

# last_line FILE: what a program said at its end.
last_line() { grep -v '^[[:space:]]*$' -- "$1" | tail -n 1 | cut -c 1-300 || true; }

# attempt LIMIT_S FILE COMMAND...: its output goes to FILE and to the log. Sets took_s and code
# (124: over its limit; 125: the time of the report was up; 137: and did not end when asked to).
attempt() {
  local limit=$1 file=$2 left begin=$SECONDS whole=no
  shift 2
  left=$(time_left)
  if ((limit > left)); then limit=$((left > 0 ? left : 1)) whole=yes; fi
  code=0
  timeout --kill-after="$grace_s" "$limit" "$@" >"$file" 2>&1 </dev/null &
  child=$!
  wait "$child" || code=$?
  if [[ $interrupted == yes ]]; then wait "$child" || true; fi  # it was told to end
  child=''
  took_s=$((SECONDS - begin))
  if ((code == 124)) && [[ $whole == yes ]]; then code=125; fi
  {
    echo "==== $(basename -- "$file" .txt): exit $code after $took_s s: $*"
    cat -- "$file"
    echo
  } >>"$log"
}

# may_run NAME [device]: or says why not.
may_run() {
  if [[ $interrupted == yes ]]; then
    note "not done" 0 "$1" "interrupted"
  elif [[ -n $no_programs ]]; then
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

# conclude NAME LIMIT_S FILE REMARK: the outcome that `attempt` left.
conclude() {
  local name=$1 limit=$2 file=$3 remark=$4
  if [[ $interrupted == yes ]]; then
    note "cut short" "$took_s" "$name" "interrupted"
  elif ((code == 0)); then
    note ok "$took_s" "$name" "$remark"
  elif ((code == 125)); then
    note "cut short" "$took_s" "$name" "the time of the report was up"
  elif ((code == 124)); then
    note failed "$took_s" "$name" "not finished after its limit of $limit s"
  elif ((code == 137)); then
    note failed "$took_s" "$name" "had to be killed: it hung, or memory ran out"
  else
    note failed "$took_s" "$name" "exit $code: ${remark:-$(last_line "$file")}"
  fi
}
