#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# runs_or_says_why.sh PROGRAM: fails unless it convolves on a device, or ends with exit code 3 and one
# line that says why it cannot.
text=$("$1" --backend cuda --size 100 --mem 1M --quiet 2>&1)
code=$?
echo "exit code $code: $text"
case "$code $text" in
  "0 "*"Verification: passed"*) ;;
  "3 convscale: --backend cuda: "*"; --backend cpu runs here") ;;
  *) exit 1 ;;
esac
