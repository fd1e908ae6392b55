#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a bare machine: the second command of the README. Warnings of this compiler are errors. A bare
# machine does not make bare machines.
set -euo pipefail
exec env CI=true ./scripts/test.sh -- -LE bare
