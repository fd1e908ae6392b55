#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The original's way: a pool of Python processes maps SciPy's convolution. See docs/baseline.md."""
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

if __name__ == "__main__":  # the pool's workers import this file, too
    run_script("baseline.py", main_of("convscale.baseline"))
