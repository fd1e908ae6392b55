# SPDX-License-Identifier: Apache-2.0
"""The kernel scipy-dragon: without Dragon, with a made-up one, and with a real one where
CONVSCALE_DRAGON names it."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from baseline_runs import BASELINE, records_of, run

QUICK = ("--size", "30", "--mem", "4000", "-w", "2", "--iterations", "2", "--burns", "1")
ENDLESS = (*QUICK[:-4], "--iterations", "1000000", "--work_time", "0.01", "--iteration-lines")
REAL = os.environ.get("CONVSCALE_DRAGON", "")

# What the package dragon does to multiprocessing, as far as the job can tell.
MODULE = """
import multiprocessing.context as context
context._concrete_contexts["dragon"] = context.ForkContext()
"""
PYTHON = """#!/bin/sh
[ "$1" = -c ] && echo "Dragon 0.0, made up" && exit
exec {python} "$@"
"""
LAUNCHER = """#!/bin/sh
[ "$1" = -s ] || exit 2
shift
PYTHONPATH="{folder}:$PYTHONPATH" {python} -B "$@"
"""


def make_dragon(folder: Path, launcher: str = LAUNCHER) -> Path:
    """A virtual environment with a Dragon that is made up."""
    (folder / "bin").mkdir(parents=True)
    (folder / "dragon.py").write_text(MODULE)
    for name, text in (("python3", PYTHON), ("dragon", launcher)):
        path = folder / "bin" / name
        path.write_text(text.format(python=sys.executable, folder=folder))
        path.chmod(0o755)
    return folder


def test_without_dragon_it_is_skipped(tmp_path: Path) -> None:
    records = records_of(tmp_path, *QUICK, "--kernel", "scipy-serial,scipy-dragon", "--dragon",
                         tmp_path)
    assert [record["status"] for record in records] == ["ok", "skipped"]
    assert "dragon_env.sh" in records[1]["reason"] and records[1]["times_s"] == []
    assert records[1]["images"] == 4
    done = run("--kernel", "scipy-dragon", *QUICK, CONVSCALE_DRAGON=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("baseline.py: scipy-dragon: no Dragon runtime in ")
    assert done.stderr.count("\n") == 1


def test_a_dragon_that_does_not_work_is_skipped(tmp_path: Path) -> None:
    folder = make_dragon(tmp_path / "env")
    (folder / "bin" / "python3").write_text("#!/bin/sh\necho 'no module dragonhpc' >&2; exit 1\n")
    done = run("--dragon", folder, *QUICK)
    assert done.returncode == 3 and "(no module dragonhpc)" in done.stderr


def test_dragons_python_is_looked_at_as_the_job_finds_it(tmp_path: Path) -> None:
    """Without the PYTHONPATH of the Python that asks, whose packages may be none of its."""
    folder = make_dragon(tmp_path / "env")
    python = folder / "bin" / "python3"
    python.write_text(python.read_text().replace(
        "\n[", "\n[ -z \"$PYTHONPATH\" ] || { echo foreign >&2; exit 1; }\n[", 1))
    record, = records_of(tmp_path, *QUICK, "--dragon", folder)
    assert record["status"] == "ok"
    done = run("--dragon", folder, *QUICK, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_job_runs_in_dragons_runtime(tmp_path: Path) -> None:
    folder = make_dragon(tmp_path / "env")
    options = (*QUICK, "--fill", "integers")
    serial, = records_of(tmp_path, *options, "--kernel", "scipy-serial")
    for path in (folder, folder / "bin" / "dragon", folder / "bin" / "python3"):
        record, = records_of(tmp_path, *options, "--dragon", path)
        assert (record["kernel"], record["status"]) == ("scipy-dragon", "ok")
        assert record["software"] == "Dragon 0.0, made up"
        assert record["digest"] == serial["digest"]
        assert (len(record["burn_times_s"]), len(record["times_s"])) == (1, 2)
        assert record["setup_s"] > 0 and record["generation_s"] > 0


@pytest.mark.parametrize("launcher, reason", [
    ("#!/bin/sh\necho no shared memory >&2\nexit 1\n", "ended early: no shared memory"),
    ("#!/bin/sh\nexit 0\n", "ended early: it said nothing")])
def test_a_runtime_that_ends_early_fails(tmp_path: Path, launcher: str, reason: str) -> None:
    done = run("--dragon", make_dragon(tmp_path / "env", launcher), *QUICK, "--json",
               tmp_path / "run.json")
    assert done.returncode == 5 and reason in done.stderr
    record = json.loads((tmp_path / "run.json").read_text())["records"][0]
    assert record["status"] == "failed" and reason in record["reason"]


def check_interrupt(folder: Path, where: Path, wait: Any,
                    number: int = signal.SIGINT) -> dict[str, Any]:
    process = BASELINE.start("--dragon", where, *ENDLESS, "--json", folder / "run.json")
    wait(process)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130 and "Traceback" not in err, err
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())["records"][0]
    assert record["status"] == "interrupted"
    return record


def two_iterations(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    lines = (line for line in process.stdout if line.startswith("Time for iteration"))
    assert next(lines, None) and next(lines, None), "it ended early"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_runtime(tmp_path: Path, number: int) -> None:
    where = make_dragon(tmp_path / "env")
    record = check_interrupt(tmp_path, where, two_iterations, number)
    assert len(record["burn_times_s"]) + len(record["times_s"]) >= 2
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not [text for text in commands if str(where).encode() in text]


def dragons_left() -> list[str]:
    shared = [path.name for path in Path("/dev/shm").glob("DD*")]
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    return shared + [text.decode() for text in commands if REAL.encode() + b"/bin" in text]


@pytest.mark.skipif(not REAL, reason="CONVSCALE_DRAGON does not name a Dragon runtime")
def test_real_dragon(tmp_path: Path) -> None:
    before = dragons_left()
    records = records_of(tmp_path, *QUICK, "--fill", "integers", "--kernel",
                         "scipy-serial,scipy-dragon")
    assert [record["status"] for record in records] == ["ok", "ok"]
    assert records[0]["digest"] == records[1]["digest"]
    assert len(records[1]["times_s"]) == 2
    assert records[1]["software"].startswith("Dragon ")
    check_interrupt(tmp_path, Path(REAL), two_iterations)
    check_interrupt(tmp_path, Path(REAL), lambda _: time.sleep(3))
    assert dragons_left() == before
