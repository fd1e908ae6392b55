#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plants lies in a copy of the program, one at a time, and says what notices them. CONTRIBUTING.md
says how to add one."""
import os
import sys

# The scripts' package is not installed; what stands beside this file is found by itself.
sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scripts"))
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

run_script("mutations", main_of("plant"))
