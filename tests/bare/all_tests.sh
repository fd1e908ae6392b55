#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a bare machine: the second command of the README. Warnings of this compiler are errors. A bare
# machine makes none itself.
set -euo pipefail
export CI=true
./scripts/test.sh -- -N >/dev/null  # installs and builds, for which it needs this machine's network
# The tests make hosts and clusters, which would meet those of this machine's own tests.
exec unshare --net bash -euc 'ip link set lo up; exec ./scripts/test.sh --no-install -- -LE bare'
