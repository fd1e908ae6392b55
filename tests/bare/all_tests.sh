#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a bare machine: the second command of the README. Warnings of this compiler are errors. A bare
# machine makes none itself.
set -euo pipefail
export CI=true
./scripts/test.sh -- -N >/dev/null  # installs and builds, for which it needs this machine's network
# The tests make hosts and clusters, which would meet those of this machine's own tests.
# Slurm wants an address that is no loopback's: one for documentation, of an interface that leads nowhere.
exec unshare --net bash -euc '
  ip link set lo up
  ip link add eth0 type veth peer name eth1
  ip addr add 192.0.2.1/24 dev eth0
  ip link set eth0 up
  ip link set eth1 up
  exec ./scripts/test.sh --no-install -- -LE bare'
