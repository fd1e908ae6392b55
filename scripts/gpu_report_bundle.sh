# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # variables of the script that sources this one
# What gpu_report.sh leaves to be carried away: report.md and report.tgz, both made anew after every
# step and moved into place whole. Sourced, not run; needs gpu_report_steps.sh and the variables
# here, out, bundle.

most_bundle_bytes=${CONVSCALE_MOST_BUNDLE_BYTES:-16000000}  # tests try it with fewer
cap_bytes=0  # of a text in the bundle; 0: as it is

# --- report.md

# Without a Python: the list of steps, and the program's own tables as they are.
plain_report() {
  local file
  echo "# GPU report: $(uname -n)"
  echo
  echo "This holds the program's own tables. The comparison of them is missing:" \
    "${python_missing:-it could not be written}."
  echo
  printf '    %s\n' "outcome, seconds, step, remark"
  printf '%s\n' "${outcomes[@]}" | cut -f 1-4 | sed 's/^/    /; s/\t/, /g'
  for file in "$out"/runs/*.txt; do
    echo
    echo "## $(basename -- "$file" .txt)"
    echo
    tail -n "$1" -- "$file" | cut -c 1-400 | sed 's/^/    /'
  done
}

# find_python: sets python_missing, empty if there is one that can make the tables.
find_python() {
  local said
  python_missing='' patient=yes  # a moment, on which all tables rest
  if ! command -v python3 >/dev/null; then
    python_missing="there is no python3 on the path"
  elif run_bounded 20 "$out/runs/python.txt" python3 -c \
    'import json, sys; print(sys.version); sys.exit(sys.version_info < (3, 6))'; ((code != 0)); then
    said=$(last_line "$out/runs/python.txt")
    python_missing="no Python 3.6 or later here${said:+ ($said)}"
  fi
  patient=no
}

# write_report: report.md, and short.md for standard output. What cannot be written leaves that of
# an earlier step; short_is_new says whether short.md is of this one.
write_report() {
  local kind said
  short_is_new=no
  if [[ -z $python_missing ]]; then
    patient=yes  # an interrupt must not cost the report
    run_bounded 20 "$out/.tables.txt" python3 -B "$here/gpu_report.py" \
      --short "$out/.short.md" --full "$out/.report.md" "$out"
    patient=no
    said=$(last_line "$out/.tables.txt")
    if ((code == 124 || code == 137)); then said="it did not end"; fi
    if ((code == 5)) || [[ $code != 0 && -z $said ]]; then
      code=5  # it could not write
    elif ((code != 0)); then
      python_missing="Python made none: $said"
      note failed 0 "tables of report.md" "$python_missing"
    fi
  fi
  if [[ -n $python_missing ]]; then
    code=0
    { plain_report 60 | cat >"$out/.report.md" &&
      plain_report 6 | head -c 11000 | cat >"$out/.short.md"; } 2>/dev/null || code=5
  fi
  for kind in report short; do
    if ((code != 0)) || ! mv -fT -- "$out/.$kind.md" "$out/$kind.md" 2>/dev/null; then
      lost "$kind.md"
      rm -f -- "$out/.$kind.md" 2>/dev/null
      code=5
    fi
  done
  if ((code == 0)); then short_is_new=yes; fi
}

# say_report: the essence, on standard output.
say_report() {
  if [[ $short_is_new == yes ]]; then
    cat -- "$out/short.md"
  else
    plain_report 6 | head -c 11000
  fi
} 2>/dev/null

# --- report.tgz

# shorten FILE TARGET: its begin and its end, cap_bytes together.
shorten() {
  head -c $((cap_bytes / 2)) -- "$1"
  printf '\n[... the middle of this file of %s bytes is left out, for the size of the bundle]\n' \
    "$(stat -c %s -- "$1")"
  tail -c $((cap_bytes / 2)) -- "$1"
}

# pack TARGET: all files of the report in one folder; texts above the cap are shortened, records
# above it left out. What is said of them is in left_out.txt.
pack() {
  local target=$1 folder file name instead=()
  folder=$(mktemp -d "$out/.bundle.XXXXXX") || return 1
  : >"$folder/excluded"
  mkdir -p -- "$folder/files/runs"
  if ((cap_bytes > 0)); then
    instead=(-C "$folder" files)  # of another name than what is excluded
    while IFS= read -r -d '' file; do
      name=${file#./}
      echo "./$name" >>"$folder/excluded"
      if [[ $name == *.json ]]; then
        echo "$name: left out, for the size of the bundle" >>"$folder/files/left_out.txt"
      else
        mkdir -p -- "$(dirname -- "$folder/files/$name")"
        shorten "$out/$name" >"$folder/files/$name"
        echo "$name: its middle is left out, for the size of the bundle" \
          >>"$folder/files/left_out.txt"
      fi
    done < <(cd -- "$out" && find . -path './.*' -prune -o -type f ! -name report.tgz \
      ! -name report.md ! -name short.md ! -name steps.tsv -size +"$cap_bytes"c -print0)
  fi
  patient=yes  # an interrupt must not cost the bundle
  run_bounded 60 "$folder/said" tar -czf "$target" --exclude='./.*' --exclude=./report.tgz \
    --anchored --no-wildcards --exclude-from="$folder/excluded" \
    --transform "s,^\(\.\|files\),$bundle_name," -C "$out" . "${instead[@]}"
  patient=no
  bundle_said=$(last_line "$folder/said")
  rm -rf -- "$folder"
  ((code <= 1))  # 1: a file grew while it was read, as clocks.csv does
}

# write_bundle: never over its size, and never half of it.
write_bundle() {
  local part=$out/.report.tgz
  bundle_said=''
  # What would take seconds to press, after each step.
  if ((cap_bytes == 0 && $(du -sk -- "$out" | cut -f 1) > most_bundle_bytes / 100)); then
    cap_bytes=4000000
  fi
  while true; do
    if ! pack "$part" 2>/dev/null; then
      lost report.tgz "$bundle_said"
      rm -f -- "$part"
      return 0
    fi
    if (($(stat -c %s -- "$part") <= most_bundle_bytes)); then break; fi
    if ((cap_bytes == 0)); then cap_bytes=4000000; else cap_bytes=$((cap_bytes / 4)); fi
    if ((cap_bytes < 500)); then
      lost report.tgz "it would have more than $most_bundle_bytes bytes"
      rm -f -- "$part"
      return 0
    fi
  done
  mv -fT -- "$part" "$out/report.tgz" 2>/dev/null || lost report.tgz
  if [[ -n $bundle ]] && ! { cp -fT -- "$out/report.tgz" "$bundle.part" &&
    mv -fT -- "$bundle.part" "$bundle"; } 2>/dev/null; then
    lost "$bundle"
    rm -f -- "$bundle.part" 2>/dev/null
  fi
}
