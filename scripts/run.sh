#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'END'
Usage: scripts/run.sh [--no-install] [--] [OPTION...]

Installs the Debian packages that the build lacks, builds convscale, and runs it with the options
given: without any, 33 images of 1000x1000 with 4 workers. Files are relative to the current
directory. Standard output is the program's alone, and so is the exit code once it runs.

  --no-install  install nothing; report what is missing and exit with 5
  --help        this text; "-- --help" prints the program's own options

Example: scripts/run.sh --num_workers 8 --size 1080x1920 --json run.json
END
}

# shellcheck source=scripts/prepare.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/prepare.sh"

install=yes
while [[ $# -gt 0 ]]; do
  case $1 in
    --no-install) install=no ;;
    -h | --help) usage; exit ;;
    --) shift; break ;;
    *) break ;;
  esac
  shift
done

mkdir -p "$root/build"
require_packages "$install" "${build_packages[@]}"
build release convscale -DCONVSCALE_TESTS=OFF
exec "$root/build/release/bin/convscale" "$@"
