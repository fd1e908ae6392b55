#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how time follows workers and the size of the images. See docs/sweeps.md."""
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

run_script("scaling.py", main_of("convscale.scaling.main"))
