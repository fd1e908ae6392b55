# SPDX-License-Identifier: Apache-2.0
"""A folder, a made-up program and a made-up Slurm for the tests of experiments.py."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
from forked import MadeUp, Script

from convscale.cli import run_script
from convscale.slurm.main import main

HERE = Path(__file__).resolve().parent
EXPERIMENTS = Script("experiments.py", main)
QUICK = ["--experiment", "1x4,2x4", "--mem", "64Ki", "--size", "64"]
# Of the ranks, only the first does something. Without a fence it ends as a rank may then.
SRUN = """#!/bin/sh
[ -n "$SLURM_PMIX_FENCE" ] || exit 139
env -0 >"${0%/*}/srun $1.env"
while case $1 in -*) true ;; *) false ;; esac; do shift; done
SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2 exec "$@"
"""


class Bench:
    """Runs experiments.py in this process, where PATH has the made-up Slurm first."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str],
                 monkeypatch: pytest.MonkeyPatch) -> None:
        self.capture, self.monkeypatch = capture, monkeypatch
        self.out = folder / "out"
        self.bin = folder / "bin"
        self.bin.mkdir()
        programs = MadeUp(monkeypatch)
        (self.bin / "srun").write_text(SRUN)
        (self.bin / "srun").chmod(0o755)
        for name in ("sbatch", "squeue"):
            programs.write(self.bin / name, HERE / "made_up_slurm.py")
        self.program = programs.write(self.bin / "convscale",
                                      HERE / "made_up_experiments_program.py")
        (self.bin / "jobs.json").write_text("{}")
        self.behave()
        self.slurm()
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr("convscale.slurm.main._GRACE_S", 0.1)

    def behave(self, **behaviour: Any) -> None:
        """Of the program."""
        (self.bin / "behaviour.json").write_text(json.dumps(behaviour))

    def slurm(self, **told: Any) -> None:
        (self.bin / "slurm.json").write_text(json.dumps(told))

    def set_state(self, number: int, state: str) -> None:
        jobs = json.loads((self.bin / "jobs.json").read_text())
        jobs[str(number)] = state
        (self.bin / "jobs.json").write_text(json.dumps(jobs))

    def run(self, code: int, *options: str) -> str:
        """Standard error of a run that must end with `code`."""
        given = [*(options or QUICK)]
        given += [] if "--collect" in given else ["--program", str(self.program)]
        self.capture.readouterr()
        given = [str(EXPERIMENTS.path), "--out", str(self.out), *given]
        self.monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            run_script("experiments.py", main)
        self.printed, errors = self.capture.readouterr()
        assert ended.value.code == code, errors
        assert "Traceback" not in errors
        return errors

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """In a process of its own."""
        return EXPERIMENTS.start("--out", self.out, *options, "--program", self.program)

    def calls(self, name: str = "calls.txt") -> list[str]:
        """Since the last call of this: of the program (its results files), or of Slurm."""
        path = self.bin / name
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        if name != "calls.txt":
            return lines
        return [line.split("--json ")[1].split()[0].removesuffix(".json") for line in lines]

    def submitted(self) -> list[str]:
        """The experiments whose scripts sbatch was given, since the last call of this."""
        return [Path(line.split()[-1]).stem for line in self.calls("slurm_calls.txt")
                if line.startswith("sbatch --parsable")]

    def results(self, run: str) -> Path:
        return self.out / "runs" / f"{run}.json"

    def document(self) -> dict[str, Any]:
        raw: dict[str, Any] = json.loads((self.out / "results.json").read_text())
        return raw


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str],
          monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench; the handlers of signals are as before afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield Bench(tmp_path, capfd, monkeypatch)
    for number, handler in handlers.items():
        signal.signal(number, handler)
