#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The original's way: a pool of Python processes maps SciPy's convolution. See docs/baseline.md."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # python3 -I has it not
import convscale.needs_python  # noqa: E402,F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script  # noqa: E402

if __name__ == "__main__":  # the pool's workers import this file, too
    run_script("baseline.py", main_of("convscale.baseline"))
