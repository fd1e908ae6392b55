# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # variables of the script that sources this one
# What gpu_report.sh has to know of a machine before it measures there: the programs, the devices,
# where cuDNN and the tools are. Sourced, not run; needs gpu_report_steps.sh.

build_programs() {
  local file=$out/runs/build.txt missing
  # shellcheck disable=SC2016  # expanded by the inner shell
  if ! missing=$(bash -c 'source "$1/prepare.sh"
    require_packages no "${build_packages[@]}" libgtest-dev libgmock-dev' \
    gpu_report.sh "$here" 2>&1); then
    note failed 0 build "${missing#gpu_report.sh: }"
  # Where cmake/optional.cmake looks.
  elif ! PATH=$PATH:${CUDA_HOME:-}/bin:${CUDA_PATH:-}/bin:/usr/local/cuda/bin \
    command -v "${CUDACXX:-nvcc}" >/dev/null; then
    note failed 0 build "there is no nvcc here; scripts/package.sh makes a folder that needs none"
  else
    # shellcheck disable=SC2016  # expanded by the inner shell
    attempt "$file" bash -c 'cd -- "$1" && cmake --preset cuda -DCONVSCALE_TESTS=ON &&
      cmake --build --preset cuda --target convscale gpu_test gpu_probe' build "$here/.."
    if ((code == 125)); then code=124; fi  # nothing can be done without the programs
    conclude build "$file" "$(first_error "$file")"
  fi
  if ((failed > 0)); then no_programs="the build failed"; fi  # what an earlier one left is another
}

# --- cuDNN

# major_in FOLDER...: "N in FOLDER" of the first libcudnn.so.N that is no 9, for a remark.
major_in() {
  local folder file
  for folder in "$@"; do
    for file in "$folder"/libcudnn.so.[0-9]*; do
      if [[ -e $file ]]; then
        echo "cuDNN ${file##*.so.} in $folder"
        return
      fi
    done
  done
}

# find_wheels: sets wheels, the folder nvidia/ of the python3 on the path, if it has a cuDNN.
# Imports none of what is there.
find_wheels() {
  wheels=''
  if [[ -n $python_missing ]]; then return; fi
  run_bounded 20 "$out/runs/wheels.txt" python3 -c 'import importlib.util, os
spec = importlib.util.find_spec("nvidia")
for folder in (spec and spec.submodule_search_locations) or []:
    if os.path.isdir(os.path.join(folder, "cudnn", "lib")):
        print(folder)
        break'
  if ((code == 0)); then wheels=$(head -n 1 -- "$out/runs/wheels.txt"); fi
}

# find_cudnn: sets cudnn_says, for the report, and with_cudnn, the environment of the steps that are
# about it. No other step has it: their time is not cuDNN's, which takes a second to load. What the
# loader's path holds stays first, and parts of one cuDNN must not come from another.
find_cudnn() {
  local folder path=${LD_LIBRARY_PATH:-} base='' wheels='' other folders=()
  with_cudnn=(env)
  if [[ -n ${CUDNN_PATH:-} ]]; then
    base=$CUDNN_PATH
  else
    find_wheels
    if [[ -n $wheels ]]; then base=$wheels/cudnn; fi
  fi
  if [[ -n $base ]]; then
    folders=("$base/lib" "$base/lib64")
    # What its engines load: where each of them has a wheel of its own, and where all have one.
    for folder in ${wheels:+cublas cuda_nvrtc nvjitlink cu12 cu13}; do
      folders+=("$wheels/$folder/lib")
    done
    with_cudnn+=("CUDNN_PATH=$base")
    for folder in "${folders[@]}"; do
      if [[ -d $folder ]]; then path+=${path:+:}$folder; fi
    done
    with_cudnn+=("LD_LIBRARY_PATH=$path")
  fi

  IFS=: read -r -a folders <<<"$path"
  cudnn_says=''
  for folder in "${folders[@]}" "$(ldconfig_folder)" "${CUDA_HOME:-/usr/local/cuda}"/lib{,64} \
    "${CUDA_PATH:-/usr/local/cuda}"/lib{,64} /usr/local/cuda/lib64; do
    if [[ -n $folder && -e $folder/libcudnn.so.9 ]]; then
      cudnn_says="libcudnn.so.9 in $folder"
      return
    fi
  done
  other=$(major_in "${folders[@]}" "$(ldconfig_folder)")
  other=${other:+, but $other}
  cudnn_says="no libcudnn.so.9$other: not on the loader's path, nor in"
  cudnn_says+=" ${CUDNN_PATH:-nvidia/cudnn of the python3 on the path}"
}

# ldconfig_folder: where the loader's own list has a cuDNN, or nothing.
ldconfig_folder() {
  PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null |
    sed -n 's,.*libcudnn\.so\.[0-9]* .*=> \(.*\)/[^/]*$,\1,p' | head -n 1
}

# find_tool NAME: its path, where a toolkit has it too.
find_tool() {
  local candidate
  for candidate in "$(command -v "$1" || true)" "${CUDA_HOME:-/usr/local/cuda}/bin/$1" \
    "${CUDA_HOME:-/usr/local/cuda}/$1/$1"; do
    if [[ -n $candidate && -x $candidate && ! -d $candidate ]]; then
      echo "$candidate"
      return
    fi
  done
}

# --- The machine

# described COMMAND...: its output under its own name; a missing program is no fault.
described() {
  local left=$((step_ends - SECONDS))
  if [[ $interrupted == yes ]]; then return; fi
  echo "\$ $*"
  if ! command -v -- "$1" >/dev/null; then
    echo "(there is no $1)"
  else
    run_bounded "$((left > 2 ? left : 2))" "$out/runs/described.txt" "$@"
    cat -- "$out/runs/described.txt"
    if ((code != 0)); then echo "(exit $code)"; fi
  fi
  echo
}

# Whatever else is worth knowing comes after what all steps need.
run_machine() {
  local begin=$SECONDS
  if [[ -z $no_programs ]]; then find_device; fi
  {
    echo "cuDNN: $cudnn_says"
    echo "compute-sanitizer: ${sanitizer:-not found}; ncu: ${ncu:-not found}"
    echo "Python: ${python_missing:-$(last_line "$out/runs/python.txt")}"
    echo
    described uname -a
    described nvidia-smi
    described free -g
    described lscpu
    if [[ -r $here/VERSION ]]; then described cat "$here/VERSION"; fi
    described nvidia-smi topo -m
    described nvidia-smi -q
  } >"$out/machine.txt"
  rm -f -- "$out/runs/described.txt"
  if [[ $interrupted == yes ]]; then
    note "cut short" $((SECONDS - begin)) machine "interrupted"
  else
    note ok $((SECONDS - begin)) machine "machine.txt; $cudnn_says"
  fi
}

# find_device: sets no_device and kernels. All else rests on it: it may take longer than its step.
# A name of the list of devices that is not supported says why.
find_device() {
  local file=$out/runs/list.txt device limit=$step_ends
  step_ends=$((SECONDS + 30))
  attempt "$out/runs/version.txt" "$program" --version
  attempt "$file" "${with_cudnn[@]}" "$program" --list
  step_ends=$limit
  mapfile -t kernels < <(awk '$1 == "cuda" && $2 == "kernel" { print $3 }' "$file")
  if [[ ${#kernels[@]} -eq 0 ]]; then kernels=(auto); fi
  if [[ $interrupted == yes ]]; then return; fi
  if ((code != 0)); then
    limit_s=30
    if ((code == 125)); then code=124; fi
    conclude "list of devices and kernels" "$file" ""
    # It may have hung in one library; the others can still be measured.
    if ((code != 124 && code != 137)); then no_device="convscale --list failed"; fi
    return
  fi
  device=$(grep -E '^cuda +device ' "$file" || true)
  if grep -qE '^cuda +device +[^ ]+ +supported' <<<"$device"; then return; fi
  no_device=$(sed -n 's/^cuda  *device .*not supported: //p' <<<"$device" | head -n 1)
  no_device=${no_device:-the program lists none}
  say "no device: $no_device"

  # Without one, the backend must end with this code and one line.
  attempt "$out/runs/no_device.txt" "$program" --backend cuda --size 100 --mem 1000000
  if [[ $interrupted == yes ]]; then
    return
  elif ((code == 3)); then
    note ok "$took_s" "convscale --backend cuda without a device" \
      "exit 3 as it should: $(last_line "$out/runs/no_device.txt")"
  else
    note failed "$took_s" "convscale --backend cuda without a device" "exit $code instead of 3"
  fi
}
