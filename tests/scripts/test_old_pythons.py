# SPDX-License-Identifier: Apache-2.0
"""The scripts under a Python that is too old: one line, and no attempt to read what is newer."""
from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
NAMES = ["baseline.py", "bench_compare.py", "compare.py", "experiments.py", "gpu_peers.py",
         "heatmap.py", "model.py", "scaling.py"]
# Stands in for an old Python: its version is another, and what is read after that is an error.
OLD = """
import runpy, sys
sys.version_info = (3, 6, 9, "final", 0)
sys.modules["convscale.cli"] = None
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("name", NAMES)
def test_an_old_python_is_told_so(name: str) -> None:
    done = subprocess.run([sys.executable, "-B", "-c", OLD, str(SCRIPTS), str(SCRIPTS / name)],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    least = "3.9" if name == "gpu_peers.py" else "3.11"
    assert done.stderr == (f"{name}: Python 3.6 is too old; start it with Python {least} or later, "
                           f"such as python{least} {SCRIPTS / name}\n")


@pytest.mark.parametrize("name, version, is_enough", [
    ("gpu_peers.py", "(3, 9, 0)", True), ("gpu_peers.py", "(3, 8, 20)", False),
    ("compare.py", "(3, 10, 9)", False), ("compare.py", "(3, 11, 0)", True)])
def test_the_oldest_python_that_will_do(name: str, version: str, is_enough: bool) -> None:
    """An empty --json ends all that are not told so."""
    code = OLD.replace("(3, 6, 9, \"final\", 0)", version).replace(
        'sys.modules["convscale.cli"] = None\n', "")
    done = subprocess.run([sys.executable, "-B", "-c", code, str(SCRIPTS), str(SCRIPTS / name),
                           "--json", ""], capture_output=True, text=True, check=False)
    assert ("is too old" not in done.stderr) == is_enough
    assert done.returncode == (2 if is_enough else 3), done.stderr


@pytest.mark.parametrize("name", [*NAMES, "gpu_report.py"])
def test_a_python_without_the_scripts_folder(name: str, tmp_path: Path) -> None:
    """Isolated, it has not put that on its path; what a link leads to is beside the modules."""
    link = tmp_path / "link.py"
    link.symlink_to(SCRIPTS / name)
    done = subprocess.run([sys.executable, "-B", "-I", str(link), "--help"], capture_output=True,
                          text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and f"usage: {name} " in done.stdout
    assert name == "gpu_report.py" or "\nExample: " in done.stdout
    assert "%%" not in done.stdout


def test_the_python_that_starts_them() -> None:
    """Debian's packages are its own Python's; what goes to nodes takes the first of PATH."""
    for path in SCRIPTS.glob("*.py"):
        if os.access(path, os.X_OK):
            wanted = "/usr/bin/env python3" if path.name.startswith("gpu_") else "/usr/bin/python3"
            assert path.read_text(encoding="utf-8").splitlines()[0] == f"#!{wanted}", path.name


@pytest.mark.parametrize("name", [*NAMES, "convscale/__init__.py", "convscale/needs_python.py",
                                  "convscale/import_errors.py"])
def test_an_old_python_reads_it(name: str) -> None:
    tree = ast.parse((SCRIPTS / name).read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = [ast.unparse(node) for node in tree.body
                if isinstance(node, (ast.Import, ast.ImportFrom))]
    if name in NAMES:
        assert imported[:3] == ["import os", "import sys", "import convscale.needs_python"]
    assert not any("annotations" in line for line in imported)
