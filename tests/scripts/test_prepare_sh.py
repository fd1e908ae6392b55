# SPDX-License-Identifier: Apache-2.0
"""The shell functions that run.sh, test.sh and package.sh share: progress, logs, failures; and what
the tests on bare machines do where they cannot be run."""
from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

NINJA = "echo '[1/12] Building CXX object a.o'; sleep 1.5; echo '[7/12] Linking CXX b'"


def shell(scripts: Path, script: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", f"set -eu; source '{scripts}/prepare.sh'; program=run.sh; {script}"],
        text=True, check=False, timeout=120,
        **options)  # type: ignore[call-overload, no-any-return]


def test_a_command_keeps_its_exit_code_and_its_output_is_logged(scripts: Path,
                                                                tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = shell(scripts, f"runs '{log}' building bash -c \"{NINJA}; echo oh >&2; exit 3\"",
                 capture_output=True)
    assert done.returncode == 3
    assert done.stdout == "" and done.stderr == ""  # it was short, and this is no terminal
    assert log.read_text().splitlines() == ["[1/12] Building CXX object a.o",
                                            "[7/12] Linking CXX b", "oh"]


def test_progress_is_one_line_that_moves_on_a_terminal(scripts: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    label = "building " + 90 * "x"
    done = shell(scripts, f"runs '{tmp_path}/log' building bash -c \"{NINJA}\"; "
                          f"runs '{tmp_path}/log' '{label}' sleep 1.5",
                 stderr=slave, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    said = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0
    assert "\n" not in said
    lines = [line for line in said.split("\r\x1b[K") if line]
    assert any("building: " in line and "(step 7 of 12)" in line for line in lines), lines
    assert all(len(line) <= 79 for line in lines), lines
    assert said.endswith("\r\x1b[K")  # and nothing of it is left


@pytest.mark.parametrize("log, shown, hidden", [
    ("[1/9] Building a\nFAILED: b.o\nb.cpp:1: error: no\nninja: stopped\n", "b.cpp:1: error",
     "[1/9]"),
    ("-- Found all\nCMake Error at CMakeLists.txt:3:\n  fmt was not found\n", "fmt was",
     "Found all"),
    ("Reading lists\nE: Unable to locate package x\n", "E: Unable", "Reading"),
    ("one\ntwo\n", "one\ntwo", "CMake"),
])
def test_a_failure_shows_what_went_wrong_first(scripts: Path, tmp_path: Path, log: str, shown: str,
                                               hidden: str) -> None:
    path = tmp_path / "log"
    path.write_text(log)
    done = shell(scripts, f"fail_with '{path}' cmake --build", capture_output=True)
    assert done.returncode == 5
    assert shown in done.stderr and hidden not in done.stderr
    assert done.stderr.endswith(f"run.sh: failed: cmake --build (all of its output: {path})\n")


@pytest.mark.parametrize("required, code", [("", 77), ("required", 1)])
def test_bare_machines_are_skipped_with_the_reason_unless_they_are_required(
        scripts: Path, tmp_path: Path, required: str, code: int) -> None:
    """With a path on which there is no debootstrap."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "readlink"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    machine = scripts.parent / "tests/bare/machine.sh"
    done = subprocess.run(["bash", machine, "bookworm", tmp_path / "machines", "first_run.sh"],
                          env={"PATH": str(tools), "CONVSCALE_BARE": required}, text=True,
                          capture_output=True, check=False, timeout=60, executable="/usr/bin/bash")
    assert done.returncode == code, done.stderr
    reason = "only root can make a bare machine" if os.geteuid() else "no debootstrap here"
    assert reason in (done.stderr if required else done.stdout.removeprefix("skipped: "))
    assert not (tmp_path / "machines").exists()
