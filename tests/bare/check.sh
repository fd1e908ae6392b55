# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts that run on a bare machine check with. Sourced.

scratch=$(mktemp -d)
out=$scratch/out  # of the latest command
err=$scratch/err
failed=0

# check WHAT COMMAND...: a line with the verdict and the seconds that it took; goes on after a failure.
check() {
  local what=$1 start=$SECONDS verdict=ok
  shift
  # Not in a condition, where errexit would be off inside.
  set +e
  (set -e; "$@") >"$scratch/said" 2>&1
  local code=$?
  set -e
  if ((code != 0)); then
    verdict=FAILED
    failed=$((failed + 1))
  fi
  printf '%-6s %4d s  %s\n' "$verdict" $((SECONDS - start)) "$what"
  if ((code != 0)); then sed 's/^/    /' "$scratch/said" | tail -n 60; fi
}

# ends_with CODE COMMAND...: standard output goes to $out, standard error to $err.
ends_with() {
  local expected=$1 code=0
  shift
  "$@" >"$out" 2>"$err" </dev/null || code=$?
  if ((code != expected)); then
    tail -n 40 -- "$out" "$err"
    echo "ended with $code, not $expected: $*"
    return 1
  fi
}

succeeds() { ends_with 0 "$@"; }

has() {
  if ! grep -Eq -- "$2" "$1"; then
    cat -- "$1"
    echo "no line has: $2"
    return 1
  fi
}

lacks() {
  if [[ ! -e $1 ]]; then
    echo "$1 is not there"
    return 1
  fi
  if grep -E -- "$2" "$1"; then
    echo "should not be there: $2"
    return 1
  fi
}

# has_line FILE NUMBER REGEX: the whole of that line.
has_line() {
  if ! sed -n "$2p" "$1" | grep -Exq -- "$3"; then
    cat -- "$1"
    echo "line $2 is not: $3"
    return 1
  fi
}

finish() {
  rm -rf -- "$scratch"
  if ((failed > 0)); then
    echo "$failed failed"
    exit 1
  fi
}
