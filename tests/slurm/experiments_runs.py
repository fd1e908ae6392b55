# SPDX-License-Identifier: Apache-2.0
"""Running scripts/experiments.py on the cluster."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Union

from slurm_cluster import SlurmCluster

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "experiments.py"
SMALL = ("--mem", "64Ki", "--size", "64", "--fill", "integers", "--iterations", "3", "--burns",
         "1")
ENDLESS = ("--mem", "1Mi", "--size", "64", "--method", "full", "--distribute", "scatter",
           "--iterations", "1000000")


class Experiments:
    """A folder of experiments."""

    def __init__(self, cluster: SlurmCluster, out: Path, program: Path) -> None:
        self.cluster, self.out, self.program = cluster, out, program

    def run(self, code: Union[int, tuple[int, ...]],
            *options: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Must end with `code`, or one of them, and never with a traceback. `before` are words of
        the command that starts it."""
        codes = code if isinstance(code, tuple) else (code,)
        program = () if "--collect" in options else ("--program", str(self.program))
        done = self.cluster.run(*before, sys.executable, "-B", str(SCRIPT), "--out", str(self.out),
                                *program, *options, timeout=240)
        assert done.returncode in codes, done.stderr + self.printed()
        assert "Traceback" not in done.stderr
        return done

    def start(self, *options: str, before: tuple[str, ...] = ()) -> str:
        """Submits one experiment of two ranks that does not end, waits until it has begun, and
        returns the number of the job."""
        self.run(0, "--experiment", "2x4", *ENDLESS, *options, before=before)
        number = str(json.loads((self.out / "experiments.json").read_text())["jobs"]["2x4"])
        wait_until(lambda: bool(self.rank(number, 1)), "the second rank runs")
        wait_until(lambda: list(self.out.glob("runs/2x4-scatter.json.*")), "results are opened")
        return number

    def rank(self, job: str, rank: int) -> int:
        """The process of a rank of a job; 0 where there is none."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
                if command[0] != os.fsencode(self.program):
                    continue
                words = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if (f"SLURM_JOB_ID={job}".encode() in words
                    and f"SLURM_PROCID={rank}".encode() in words):
                return int(process.name)
        return 0

    def environment(self, job: str, rank: int) -> dict[str, str]:
        """Of a rank that runs."""
        text = Path(f"/proc/{self.rank(job, rank)}/environ").read_bytes().decode(errors="replace")
        return dict(word.split("=", 1) for word in text.split("\0") if "=" in word)

    def kill(self, job: str, rank: int) -> None:
        os.kill(self.rank(job, rank), signal.SIGKILL)

    def wait_for_end(self, job: str) -> None:
        """Waits until Slurm says that the job is over, which is long before its time limit."""
        wait_until(lambda: self.state(job) not in ("PENDING", "RUNNING", "COMPLETING"),
                   "the job ends")

    def state(self, job: str) -> str:
        return self.cluster.run("squeue", "--noheader", "--states=all", "--format=%T",
                                f"--jobs={job}").stdout.strip()

    def records(self) -> list[dict[str, Any]]:
        """Those of all runs together."""
        raw = json.loads((self.out / "results.json").read_text())
        return list(raw["records"])

    def printed(self) -> str:
        """By all jobs."""
        return "".join(path.read_text() for path in sorted(self.out.glob("runs/*.txt")))


def wait_until(is_so: Any, what: str, timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.05)
