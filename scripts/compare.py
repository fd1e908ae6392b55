#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faster, slower or the same: compares the times of results files. See docs/compare.md."""
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

run_script("compare.py", main_of("convscale.compare"))
