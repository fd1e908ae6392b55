# SPDX-License-Identifier: Apache-2.0
"""The program under Open MPI's mpirun, on the hosts of a cluster."""
from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from hosts import Cluster

# What ends a job whose hosts no longer answer. Without it, mpirun waits for ever.
KEEPALIVE = {"oob_tcp_keepalive_time": "2", "oob_tcp_keepalive_intvl": "1",
             "oob_tcp_keepalive_probes": "3"}
LAUNCH_LIMIT_S = 240.0  # of a job that is to succeed


class Finished(NamedTuple):
    """How mpirun ended."""

    code: int
    stdout: str
    stderr: str

    def lines(self) -> list[str]:
        """The program's own lines on standard error, without its warnings."""
        return [line for line in self.stderr.splitlines()
                if line.startswith("convscale: ") and "convscale: warning: " not in line]


class Part(NamedTuple):
    """So many ranks with the same program and options; mpirun takes several of these."""

    ranks: int
    program: Path
    options: Sequence[object]

    def words(self) -> list[str]:
        """This part of mpirun's command line."""
        return ["-np", str(self.ranks), str(self.program), *map(str, self.options)]


def find_mpirun() -> str | None:
    """The mpirun of Open MPI 4, where there is one; MPICH may have the plain name.

    Open MPI 5 has other names for the settings that these tests need, and has not been tried.
    """
    for name in ("mpirun.openmpi", "mpirun"):
        path = shutil.which(name)
        if path is None:
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if "(Open MPI) 4." in said.stdout:
            return path
    return None


def launch_environment() -> dict[str, str]:
    """The environment without what makes Open MPI believe that it is inside another job."""
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith(("OMPI_", "PMIX_", "PRTE_", "SLURM_", "PBS_"))}
    return {**inherited, "LC_ALL": "C"}


class Job:
    """An mpirun on host h1 that starts ranks round-robin over the hosts of a hostfile.

    Leaving the context kills what still runs on the hosts.
    """

    def __init__(self, cluster: Cluster, *parts: Part, limit_s: float = LAUNCH_LIMIT_S,
                 hostfile: Path | None = None, parameters: dict[str, str] | None = None) -> None:
        self.cluster = cluster
        mpirun = find_mpirun()
        assert mpirun, "the suite is skipped without Open MPI"
        settings = {"plm_rsh_agent": str(cluster.agent), "mpi_yield_when_idle": "1",
                    **KEEPALIVE, **(parameters or {})}
        command = [mpirun, "--allow-run-as-root", "--hostfile",
                   str(hostfile or cluster.hostfile()), "--map-by", "node", "--bind-to", "none"]
        for name, value in settings.items():
            command += ["--mca", name, value]
        for number, part in enumerate(parts):
            command += [":"] * (number > 0) + part.words()
        # Files, not pipes: what outlives mpirun would hold a pipe open.
        self._stdout = cluster.folder / "stdout"
        self._stderr = cluster.folder / "stderr"
        self._limit_s = limit_s
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                ["timeout", "-k", "5", str(limit_s), cluster.agent, "h1",
                 "exec " + shlex.join(command)],
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=cluster.folder,
                env=launch_environment())

    def __enter__(self) -> Job:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.cluster.kill_all()

    @property
    def running(self) -> bool:
        """Whether mpirun has not ended yet."""
        return self._process.poll() is None

    def wait(self) -> Finished:
        """Waits for mpirun's end."""
        code = self._process.wait(timeout=self._limit_s + 10)
        return Finished(code, self._stdout.read_text(encoding="utf-8", errors="replace"),
                        self._stderr.read_text(encoding="utf-8", errors="replace"))


def finish(cluster: Cluster, *parts: Part, limit_s: float = LAUNCH_LIMIT_S,
           hostfile: Path | None = None, parameters: dict[str, str] | None = None) -> Finished:
    """Runs a job to its end; what it leaves behind on the hosts fails the test."""
    with Job(cluster, *parts, limit_s=limit_s, hostfile=hostfile, parameters=parameters) as job:
        done = job.wait()
        left = wait_until_idle(cluster)
        assert not left, f"after mpirun's end there are still {left}"
        return done


def wait_until_idle(cluster: Cluster, seconds: float = 240) -> list[str]:
    """Waits until nothing runs on the hosts; returns what still does after so many seconds."""
    deadline = time.monotonic() + seconds
    while running := cluster.processes():
        if time.monotonic() > deadline:
            return [f"{process.name} ({process.pid})" for process in running]
        time.sleep(0.05)
    return []


class Results(NamedTuple):
    """A results file with one record."""

    file: dict[str, Any]
    record: dict[str, Any]


def measure(cluster: Cluster, program: Path, *options: object, ranks: int = 4,
            hostfile: Path | None = None) -> Results:
    """Runs the program on so many ranks; returns its verified results."""
    path = cluster.folder / "results.json"
    part = Part(ranks, program, [*options, "--quiet", "--json", path])
    done = finish(cluster, part, hostfile=hostfile)
    assert done.code == 0, f"exit code {done.code}: {done.stderr}"
    return read_results(path)


def measure_alone(program: Path, folder: Path, *options: object) -> Results:
    """Runs the program as one process, without a launcher."""
    path = folder / "alone.json"
    done = subprocess.run([program, *map(str, options), "--quiet", "--json", path],
                          capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"
    return read_results(path)


def read_results(path: Path) -> Results:
    """Reads a results file whose only record must have been verified."""
    file = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    (record,) = file["records"]
    assert record["status"] == "ok", record["reason"]
    assert record["verification"]["status"] == "passed"
    return Results(file, record)
