# SPDX-License-Identifier: Apache-2.0
"""Commands that README, docs and help texts give: what they select is there."""
from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# "ctest -L slurm", "scripts/test.sh --preset asan -- -R shape", and "`-- -R shape`".
SELECTION = re.compile(
    r"(?:\bctest|--) +((?:-L|-LE|-R|-E) +(?:'[^']+'|\"[^\"]+\"|[^\s`'\"&.,;)]+))")


def test_no_text_has_a_placeholder() -> None:
    for path in texts():
        assert not re.search(r"@[A-Z]+@", path.read_text(encoding="utf-8")), path


def test_lines_of_python_are_short_and_end_where_they_seem_to() -> None:
    wrong = [f"{path.relative_to(ROOT)}:{number}"
             for folder in ("scripts", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
             for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
             if len(line) > 100 or line != line.rstrip()]
    assert wrong == []


def texts() -> list[Path]:
    listed = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("scripts/*.sh"),
              *ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("tests/**/CMakeLists.txt")]
    return sorted(path for path in listed if path.is_file())


def selections() -> dict[str, Path]:
    """What the texts hand to ctest to choose tests with, and where it stands."""
    found: dict[str, Path] = {}
    for path in texts():
        for options in SELECTION.findall(path.read_text(encoding="utf-8")):
            found.setdefault(options, path)
    return found


def selected(folder: Path, options: str) -> int:
    said = subprocess.run(["ctest", "-N", *shlex.split(options)], cwd=folder, text=True,
                          capture_output=True, check=False, timeout=300)
    count = re.search(r"^Total Tests: (\d+)$", said.stdout, re.MULTILINE)
    assert count, said.stdout + said.stderr
    return int(count[1])


def test_ctest_options_of_the_docs_select_tests(program: Path, tmp_path: Path) -> None:
    # In a folder of its own: ctest writes its log anew, also that of the ctest that runs this.
    build = program.parent.parent
    (tmp_path / "CTestTestfile.cmake").write_text(f'subdirs("{build}")\n')
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True,
                             timeout=60).stdout
    if "Release build" not in version or "without MPI" in version:
        pytest.skip("a build without MPI, or with sanitizers, has not all tests")
    found = selections()
    assert {"-R Shape", "-L slurm", "-L bare"} <= set(found), found
    nothing = [f"{path.relative_to(ROOT)}: ctest {options}" for options, path in found.items()
               if selected(tmp_path, options) == 0]
    assert not nothing
    assert selected(tmp_path, "-R no-test-has-this-name") == 0
