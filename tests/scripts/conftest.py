# SPDX-License-Identifier: Apache-2.0
"""What the tests of the scripts share: the built program, and the package on the path."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

collect_ignore = ["gpu_report_test.py", "gpu_report_ends_test.py"]  # programs of their own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--program", type=Path, required=False, help="the built convscale")


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Path:
    """The built convscale."""
    path = pytestconfig.getoption("--program")
    if path is None:
        pytest.fail("give --program=PATH of the built convscale")
    assert isinstance(path, Path)
    if not path.is_file():
        pytest.fail(f"--program {path}: there is no such file")
    return path.resolve()


@pytest.fixture(scope="session")
def scripts() -> Path:
    """The folder scripts/."""
    return SCRIPTS
