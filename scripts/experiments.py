#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the original's five experiments as Slurm jobs. See docs/experiments.md."""
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

run_script("experiments.py", main_of("convscale.slurm.main"))
