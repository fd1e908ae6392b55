#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two programs in turns over many workloads: is one slower? See docs/compare.md."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # python3 -I has it not
import convscale.needs_python  # noqa: E402,F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script  # noqa: E402

run_script("bench_compare.py", main_of("convscale.bench_compare"))
