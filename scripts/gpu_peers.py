#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# The python3 of PATH: unlike Debian's packages, the libraries are in a venv, conda or a module.
"""The same convolutions with the libraries that people use on a GPU. See docs/peers.md."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # python3 -I has it not
import convscale.needs_python  # noqa: E402,F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script  # noqa: E402

if __name__ == "__main__":
    run_script("gpu_peers.py", main_of("convscale.peers.main"))
