# SPDX-License-Identifier: Apache-2.0
"""compare.py: warnings, three forms of output, bad command lines. All times are made up."""
from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from comparer import Comparer, around, record


@pytest.fixture
def comparer(tmp_path: Path) -> Comparer:
    return Comparer(tmp_path)


# --- Warnings


def test_an_interrupted_file_is_a_warning(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1)))
    b = comparer.file("b.json", record(around(1, seed=1)), interrupted=True)
    assert comparer.run(a, a).stderr == ""
    assert comparer.run(a, b).stderr == ("compare.py: warning: interrupted: b.json; what was not "
                                         "measured before that is missing\n")


def test_warnings(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1)))
    b = comparer.file("b.json", record(around(1, seed=1), digest="f" * 16),
                      host={"name": "other\x1b[31m", "cpu": "b"}, build={"type": "Debug"})
    done = comparer.run(a, b)
    assert done.returncode == 0
    machines, builds, digests = done.stderr.splitlines()
    assert machines == ("compare.py: warning: different machines: vm (a processor) before, "
                        "other?[31m (b) after")
    assert builds == "compare.py: warning: different builds: Release GNU -O3 before, Debug after"
    assert "results differ on the same workload and kernel: a.json: record 1 and b.json" in digests
    assert "\x1b" not in done.stdout
    assert comparer.run(a, a).stderr == ""


# --- The forms of output


def test_markdown(comparer: Comparer, tmp_path: Path) -> None:
    a = comparer.file("a|b.json", record(around(1, 30)), record(around(1, 30), num_workers=4))
    b = comparer.file("b.json", record(around(1.1, 30, seed=1)),
                      record(around(1, 30, seed=1), num_workers=4))
    done = comparer.run(a, b, "--markdown", "out.md", "--fail-slower", "5%")
    assert done.returncode == 1 and "verdict" in done.stdout
    lines = (tmp_path / "out.md").read_text().splitlines()
    assert lines[0] == "### 0 faster, 1 slower, 1 same (in these runs)"
    assert "**Failed: 1 slower by more than 5 %**" in lines
    assert any("a\\|b.json" in line for line in lines)
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 4 and len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| slower | avx2 | 2 |")
    assert comparer.run(a, b, "--markdown", "-").stdout.splitlines()[0] == lines[0]


def test_standard_output_holds_one_form(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1)))
    done = comparer.run(a, a, "--json", "-")
    assert json.loads(done.stdout)["tests"] == 1
    assert "0 faster, 0 slower, 1 same" in done.stderr


def test_sorted_the_worst_comes_first(comparer: Comparer) -> None:
    factors = (0.8, 1.0, 1.3, 1.1)
    a = comparer.file("a.json", *(record(around(1, 20, seed=i), num_workers=i + 1)
                                  for i in range(5)))
    b = comparer.file("b.json", *(record(around(f, 20, seed=9 + i), num_workers=i + 1)
                                  for i, f in enumerate(factors)))
    assert comparer.verdicts(a, b) == ["faster", "same", "slower", "slower", "lost"]
    found = comparer.figures(a, b, "--sort")["comparisons"]
    assert [c["num_workers"] for c in found] == [5, 3, 4, 2, 1]


def test_colours_are_for_terminals(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1, 20)))
    b = comparer.file("b.json", record(around(2, 20)))

    def on_terminal(**environment: str) -> str:
        terminal, other = pty.openpty()
        comparer.script.run(a, b, cwd=comparer.folder, stdout=other,
                            env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"},
                                 "TERM": "xterm", **environment})
        os.close(other)
        text = os.read(terminal, 100_000).decode()
        os.close(terminal)
        return text

    assert "\x1b[31mslower\x1b[0m" in on_terminal()
    assert "\x1b" not in on_terminal(NO_COLOR="1")
    assert "\x1b" not in on_terminal(TERM="dumb")
    assert "\x1b" not in comparer.run(a, b).stdout


# --- Bad command lines and files


@pytest.mark.parametrize("args,start", [
    ([], "expected two files, got 0"), (["a.json"], "expected two files, got 1"),
    (["a.json"] * 3, "expected two files, got 3"),
    (["--before", "a.json"], "--after: is missing"), (["--after", "a.json"], "--before: is missi"),
    (["a.json", "b.json", "--before", "a.json"], "a.json: stands on no side"),
    (["--before", "a.json", "./a.json", "--after", "b.json"], "./a.json: is given twice"),
    (["--before", "a.json", "c.json", "--after", "b.json"], "c.json: holds the same records as a"),
    (["a.json", "none.json"], "none.json: No such file"), (["a.json", "."], ".: Is a directory"),
    (["a.json", "text.json"], "text.json: is not JSON"),
    (["a.json", "b.json", "--alpha", "0"], "--alpha 0:"),
    (["a.json", "b.json", "--alpha", "nan"], "--alpha nan:"),
    (["a.json", "b.json", "--alpha", "0.6"], "--alpha 0.6:"),
    (["a.json", "b.json", "--threshold", "x"], "--threshold x:"),
    (["a.json", "b.json", "--fail-slower", "fast"], "--fail-slower fast:"),
    (["a.json", "b.json", "--fail-slower", "-5%"], "argument --fail-slower"),
    (["a.json", "b.json", "--ignore", "size"], "--ignore size: expected some of backend"),
    (["a.json", "b.json", "--ignore", "kernel,"], "--ignore kernel,:"),
    (["a.json", "b.json", "--fail", "5%"], "unrecognized arguments"),
    (["a.json", "b.json", "--json", "a.json"], "--json a.json: is one of the files"),
    (["a.json", "b.json", "--json", "-", "--markdown", "-"], "--json -: is where --markdown"),
    (["a.json", "b.json", "--json", ""], "--json: the name")])
def test_bad_input_is_one_line(comparer: Comparer, args: list[str], start: str) -> None:
    comparer.file("a.json", record(around(1)))
    comparer.file("b.json", record(around(1, seed=1)))
    comparer.file("c.json", record(around(1)))
    (comparer.folder / "text.json").write_text("text")
    assert comparer.usage_error(*args).startswith(start)


def test_an_output_that_cannot_be_written(comparer: Comparer) -> None:
    a = comparer.file("a.json", record(around(1)))
    done = comparer.run_process(a, a, "--markdown", "nowhere/out.md")
    assert done.returncode == 5
    assert done.stderr == "compare.py: nowhere/out.md: No such file or directory\n"


def test_real_files(comparer: Comparer, program: Path) -> None:
    for name in ("a.json", "b.json"):
        subprocess.run([program, "--size", "50", "--mem", "10000", "--num_workers", "1", "--quiet",
                        "--json", name], cwd=comparer.folder, check=True, capture_output=True)
    (verdict,) = comparer.verdicts("a.json", "b.json")
    assert verdict in ("faster", "slower", "same", "unclear")
