# SPDX-License-Identifier: Apache-2.0
"""Which software the baseline runs on this Python."""
from __future__ import annotations

import platform

from convscale.packages import importing


def software() -> str:
    """"SciPy 1.10.1, NumPy 1.24.2, Python 3.11.2". Raises ModuleNotFoundError where one lacks,
    and UnsupportedError where one does not work."""
    with importing():
        import numpy
        import scipy
    return (f"SciPy {scipy.__version__}, NumPy {numpy.__version__}, "
            f"Python {platform.python_version()}")
