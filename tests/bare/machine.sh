#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# machine.sh SUITE FOLDER SCRIPT [ARGUMENT...]: runs a script of this folder on a bare machine.
# machine.sh SUITE FOLDER remove: removes the machine, and what it was made from.
#
# A bare machine is what debootstrap makes of Debian's SUITE, with git and ca-certificates and nothing
# else, in FOLDER/SUITE. It is made for first_run.sh, and where there is none of this commit: a clone of it
# is in /srv/convscale, where SCRIPT runs as root, in mount and process namespaces that end with it.
# Packages come from where this machine has its own. Exit code 77: this machine cannot do that, and a
# line says why; with CONVSCALE_BARE=required that is a failure.
set -euo pipefail

say() { echo "machine.sh: $*" >&2; }

skip() {
  if [[ ${CONVSCALE_BARE:-} == required ]]; then
    say "CONVSCALE_BARE=required, and this machine cannot make a bare one: $*"
    exit 1
  fi
  echo "skipped: $*"
  exit 77
}

quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 -- "$log" >&2
    say "failed: $*"
    exit 1
  fi
}

# Debian's archive among this machine's package sources, else nothing: then debootstrap's own.
mirror_of_this_machine() {
  # shellcheck disable=SC2016  # apt-get fills these in
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    'Label: Debian' 2>/dev/null | grep -m 1 -E '^(https?|file|copy):' || true
}

# How this machine's apt reaches its sources.
apt_settings_of_this_machine() {
  apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https Acquire::Retries \
    Acquire::Check-Valid-Until Acquire::Check-Date 2>/dev/null || true
}

make_base() {
  local mirror
  mirror=$(mirror_of_this_machine)
  say "making a bare $suite"
  rm -rf -- "$base.partial"
  # In namespaces of its own: what it mounts ends with it.
  quietly "$folder/$suite.log" unshare --mount --pid --fork --kill-child debootstrap --variant=minbase --include=git,ca-certificates \
    "$suite" "$base.partial" ${mirror:+"$mirror"}
  mv -- "$base.partial" "$base"
}

commit_of() { git -C "$1" rev-parse HEAD 2>/dev/null || true; }

make_machine() {
  if [[ ! -d $base ]]; then make_base; fi
  rm -rf -- "$machine"
  cp -a -- "$base" "$machine.partial"
  apt_settings_of_this_machine >"$machine.partial/etc/apt/apt.conf.d/00-of-the-host"
  # As in a container: packages do not start their services.
  printf '#!/bin/sh\nexit 101\n' >"$machine.partial/usr/sbin/policy-rc.d"
  chmod +x "$machine.partial/usr/sbin/policy-rc.d"
  local home=$machine.partial/srv/convscale
  if [[ -e $root/.git ]]; then
    if [[ -n $(commit_of "$root") && -n $(git -C "$root" status --porcelain) ]]; then
      say "changes that are not committed are not tried"
    fi
    git clone --quiet --no-local -- "$root" "$home"
  else
    mkdir -- "$home"
    tar -C "$root" --exclude=./build -cf - . | tar -C "$home" -xf -
  fi
  mv -- "$machine.partial" "$machine"
}

suite=$1 folder=$2 script=$3
shift 3
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(cd -- "$here/../.." && pwd)
base=$folder/$suite.base machine=$folder/$suite

if [[ $script == remove ]]; then
  rm -rf -- "$machine" "$base"
  exit
fi
if [[ $EUID -ne 0 ]]; then skip "only root can make a bare machine"; fi
if ! command -v debootstrap >/dev/null; then skip "no debootstrap here (package debootstrap)"; fi
mkdir -p -- "$folder"
if ! said=$(unshare --mount --pid --fork mount -t tmpfs none "$folder" 2>&1); then
  skip "nothing can be mounted here: $said"
fi
probe=$folder/null.$$  # another test may look, too
if ! said=$({ mknod "$probe" c 1 3 && : >"$probe"; } 2>&1); then
  rm -f -- "$probe"
  skip "no root that may make devices in $folder: $said"
fi
rm -- "$probe"
# Whoever owns the checkout: git refuses to look into a stranger's.
git_config=$(mktemp)
trap 'rm -f -- "$git_config"' EXIT
printf '[safe]\n\tdirectory = *\n' >"$git_config"
export GIT_CONFIG_GLOBAL=$git_config
# Two tests may want the same machine.
exec {lock}>"$folder/$suite.lock"
flock "$lock"
if [[ $script == first_run.sh || ! -d $machine ||
  $(commit_of "$machine/srv/convscale") != $(commit_of "$root") ]]; then
  rm -rf -- "$machine.partial"
  make_machine
fi
exec {lock}>&-
rm -f -- "$git_config"
cp -L -- /etc/hosts /etc/resolv.conf "$machine/etc/"
# The script is this checkout's own: so that it can be run against an older commit, too.
mkdir -p -- "$machine/bare"
cp -- "$here"/*.sh "$machine/bare/"

proxies=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if [[ -n ${!name:-} ]]; then proxies+=("$name=${!name}"); fi
done
# shellcheck disable=SC2016  # for the inner shell
exec unshare --mount --pid --fork --kill-child bash -euc '
  machine=$1
  shift
  mount --bind "$machine" "$machine"  # a root of its own, as namespaces inside need it
  mount --rbind /dev "$machine/dev"
  mount --rbind /sys "$machine/sys"
  mount -t proc proc "$machine/proc"
  exec chroot "$machine" env -i -C /srv/convscale HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
' machine.sh "$machine" "${proxies[@]}" bash "/bare/$script" "$@" </dev/null
