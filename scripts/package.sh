#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: scripts/package.sh [--no-install] [--architectures LIST] [--tar] [OUT_DIR]

Makes one folder that runs on Linux machines which have a GPU and its driver, but none of the
packages that the build needs: convscale, its GPU tests and micro-benchmarks, and gpu_report.sh with
all that it uses. To make it needs a CUDA toolkit. cuDNN is no part of it; it is used where a machine
has it. The default of OUT_DIR is
build/convscale-VERSION-linux-MACHINE; a package that is there is replaced.

  --no-install          install nothing; report what is missing and exit with 5
  --architectures LIST  compute capabilities, as CMake takes them (80-real;90, for A100, H100 and
                        H200). "90" makes a smaller package; each more takes minutes to compile:
                        "75-real;80-real;90-real;100-real;120" is for cards from T4 to B200
  --tar                 also write OUT_DIR.tar.gz
  --help                this text
EOF
}

# shellcheck source=scripts/prepare.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/prepare.sh"

usage_error() {
  say "$1; scripts/package.sh --help lists the options"
  exit 2
}

readonly most_bytes=50000000
readonly most_bytes_of_one=40000000  # with code for one kind of card
readonly most_glibc=2.34  # of RHEL 9; Debian 12 has 2.36, and Ubuntu 22.04 2.35
readonly programs=(convscale gpu_test gpu_probe)
# Every Linux with glibc has these. A driver's libraries need them, too.
readonly system_libraries='^(linux-vdso|ld-linux.*|libc|libm|libdl|libpthread|librt|libgcc_s)\.so'
# Whose code is in the programs.
readonly parts=(libfmt-dev libcli11-dev nlohmann-json3-dev libhwloc-dev libeigen3-dev libgtest-dev
  libudev1 gcc-12-base)

# is_replaceable DIR: it is not there, empty, or a package.
is_replaceable() {
  [[ ! -e $1 ]] || { [[ -d $1 ]] && { [[ -z $(ls -A -- "$1") ]] ||
    grep -qs '^convscale ' -- "$1/VERSION"; }; }
}

# carry_libraries FOLDER: copies what its programs need beyond the system's libraries to lib/.
carry_libraries() {
  local name path
  mkdir -- "$1/lib"
  while read -r name path; do
    if [[ $(basename -- "$name") =~ $system_libraries ]]; then continue; fi
    if [[ ! -f $path ]]; then fail "$name: is needed and was not found"; fi
    say "carrying $name, which has no static form here"
    cp -L -- "$path" "$1/lib/"
  done < <(ldd "${programs[@]/#/$1/bin/}" | awk '/=>/ { print $1, $3 }' | sort -u)
  rmdir --ignore-fail-on-non-empty -- "$1/lib"
}

# binaries FOLDER: its programs and libraries, each with a zero behind it.
binaries() { find "$1" -type f \( -path '*/bin/*' -o -path '*/lib/*' \) -print0; }

# newest_glibc FOLDER: the newest version that any of its binaries asks for.
newest_glibc() {
  binaries "$1" | xargs -0 objdump -T -- | grep -oE 'GLIBC_[0-9]+(\.[0-9]+)+' |
    sed 's/GLIBC_//' | sort -Vu | tail -n 1
}

describe() {
  "$1/bin/convscale" --version
  echo
  echo "Machine:  $(uname -s) $(uname -m), glibc $(newest_glibc "$1") or newer"
  echo "Devices:  code for the compute capabilities $2"
  echo "Needed:   an NVIDIA driver that supports CUDA $("$1/bin/convscale" --version |
    sed -n 's/.*, CUDA \([0-9]*\.[0-9]*\).*/\1/p')"
  echo "Optional: libcudnn.so.9 (kernel cudnn), compute-sanitizer, ncu, Python 3.6 (the"
  echo "          report's tables), Python 3.9 with NumPy (gpu_peers.py)"
}

assemble() {
  local folder=$1 part
  mkdir -- "$folder/bin" "$folder/licenses"
  cp -- "${programs[@]/#/$root/build/package/bin/}" "$folder/bin/"
  cp -- "$root"/scripts/gpu_report*.sh "$root"/scripts/gpu_report*.py "$root/scripts/gpu_peers.py" \
    "$root/LICENSE" "$folder/"
  mkdir -- "$folder/golden"  # what gpu_test reads
  cp -- "$root"/tests/golden/*.npy "$folder/golden/"
  cp -r -- "$root/scripts/convscale" "$folder/"  # the modules that gpu_peers.py needs
  find "$folder/convscale" -name __pycache__ -prune -exec rm -rf -- {} +
  # Without what is for a source tree.
  sed '/^## On a node with a CUDA toolkit/,/^## /{/^## On a node with a CUDA toolkit/d;/^## /!d}' \
    "$root/docs/gpu-report.md" >"$folder/README.md"
  for part in "${parts[@]}"; do
    if [[ -r /usr/share/doc/$part/copyright ]]; then
      cp -L -- "/usr/share/doc/$part/copyright" "$folder/licenses/$part"
    fi
  done
  carry_libraries "$folder"
}

# check FOLDER ARCHITECTURES: it starts from another place, with nothing of this environment; and it
# is small.
check() {
  local copy=$scratch/"a copy" bytes most=$most_bytes code=0 file options
  cp -r -- "$1" "$copy"
  for options in "--version" "--list" "--size 50 --mem 5000 --quiet"; do
    # shellcheck disable=SC2086  # they are several
    if ! env -i "$copy/bin/convscale" $options >"$scratch/out" 2>&1; then
      cat -- "$scratch/out" >&2
      fail "the packaged convscale does not run: $options"
    fi
  done
  env -i "$copy/bin/gpu_test" --gtest_brief=1 >"$scratch/out" 2>&1 || code=$?
  if ((code != 0)) || ! grep -E '^\[  (PASSED|SKIPPED) ' "$scratch/out" >&2; then
    tail -n 40 -- "$scratch/out" >&2
    fail "the packaged gpu_test ends with $code"
  fi
  # Without a device the probe says so; and the report runs where nothing is but the system.
  code=0
  env -i "$copy/bin/gpu_probe" >"$scratch/out" 2>&1 || code=$?
  if ((code != 0 && code != 3)); then
    cat -- "$scratch/out" >&2
    fail "the packaged gpu_probe ends with $code"
  fi
  code=0
  env -i "PATH=/usr/bin:/bin" "$copy/gpu_report.sh" --steps machine --out "$scratch/report" \
    >"$scratch/out" 2>&1 || code=$?
  if ((code != 0 && code != 3)) || ! tar tzf "$scratch/report/report.tgz" >/dev/null; then
    cat -- "$scratch/out" >&2
    fail "the packaged gpu_report.sh ends with $code"
  fi
  while read -r -d '' file; do
    if ! cmake -DOBJDUMP=objdump -DNEWEST="$most_glibc" -DFILE="$file" \
      -P "$root/cmake/check_glibc.cmake" 2>"$scratch/out"; then
      cat -- "$scratch/out" >&2
      fail "that is newer than glibc $most_glibc: make the package on an older system"
    fi
  done < <(binaries "$1")
  bytes=$(du -sb -- "$1" | cut -f 1)
  say "$((bytes / 1000000)) MB in all"
  if [[ $2 != *\;* ]]; then most=$most_bytes_of_one; fi
  if ((bytes > most)); then
    fail "that is over $((most / 1000000)) MB; fewer --architectures make it smaller"
  fi
}

install=yes tar=no out='' architectures='80-real;90'
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-install) install=no ;;
    --architectures)
      if [[ $# -lt 2 || ! $2 =~ ^[0-9a-z]+(-[a-z]+)*([\;][0-9a-z]+(-[a-z]+)*)*$ ]]; then
        usage_error "--architectures: expected a list such as 80-real;90"
      fi
      architectures=$2
      shift
      ;;
    --tar) tar=yes ;;
    -h | --help) usage; exit ;;
    -*) usage_error "$1: no such option" ;;
    *)
      if [[ -n $out ]]; then usage_error "$1: a second OUT_DIR"; fi
      out=$1
      ;;
  esac
  shift
done
make_build_folder
version=$(sed -n 's/^project(convscale VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
out=${out:-$root/build/convscale-$version-linux-$(uname -m)}
out=$(realpath -m -- "$out")
if ! is_replaceable "$out"; then usage_error "$out: is there and is no package of ours"; fi

require_packages "$install" "${build_packages[@]}" libgtest-dev libgmock-dev binutils
for target in "${programs[@]}"; do
  build package "$target" -DCONVSCALE_TESTS=ON "-DCMAKE_CUDA_ARCHITECTURES=$architectures"
done

mkdir -p -- "$(dirname -- "$out")"
scratch=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf -- "$scratch"' EXIT
folder=$scratch/$(basename -- "$out")
mkdir -- "$folder"
assemble "$folder"
describe "$folder" "${architectures//;/, }" >"$folder/VERSION"
check "$folder" "$architectures"
cat -- "$folder/VERSION" >&2
rm -rf -- "$out"
mv -- "$folder" "$out"
if [[ $tar == yes ]]; then
  tar -C "$(dirname -- "$out")" -czf "$scratch/tar" -- "$(basename -- "$out")"
  mv -- "$scratch/tar" "$out.tar.gz"
  say "$out.tar.gz"
fi
echo "$out"
