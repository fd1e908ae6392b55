#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faster, slower or the same: compares the times of results files. See docs/compare.md."""
from __future__ import annotations

from convscale.cli import main_of, run_script

run_script("compare.py", main_of("convscale.compare"))
