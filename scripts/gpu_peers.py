#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same convolutions with the libraries that people use on a GPU. See docs/peers.md."""
import convscale.needs_python  # noqa: F401  # first, as what follows is for newer ones
from convscale.cli import main_of, run_script

if __name__ == "__main__":
    run_script("gpu_peers.py", main_of("convscale.peers.main"))
