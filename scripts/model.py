#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fits the model of runs over nodes to results files. See docs/scaling.md."""
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

run_script("model.py", main_of("convscale.model.main"))
