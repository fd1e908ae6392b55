# SPDX-License-Identifier: Apache-2.0
"""What breaks in the middle of a run ends all of it, and leaves no results that look whole."""
from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import Cluster
from launch import Job, Part, find_mpirun, wait_until_idle

MPIRUN = Path(find_mpirun() or "").name
LIMIT_S = 240  # from the failure until nothing is left; a run lasts for longer
# The launch takes under 0.1 MB; an iteration 0.4 MB or, with local, 10 KB.
BYTES_OF_ITERATIONS = 2_000_000
LONG = ("--size", 64, "--mem", "64Ki", "--min-time", 3600, "--no-progress")


def looks_whole(results: Path) -> bool:
    """Whether there is a results file that does not say of itself that it was interrupted."""
    if not results.exists():
        return False
    file = json.loads(results.read_text(encoding="utf-8"))
    return not file["interrupted"] or any(
        record["status"] != "interrupted" for record in file["records"])


def wait_until_measuring(cluster: Cluster, job: Job, program: Path) -> None:
    """Waits until all ranks are there, and so much is on the wire as takes some iterations."""
    deadline = time.monotonic() + LIMIT_S
    while not all(cluster.processes(host, program.name[:15]) for host in cluster.hosts):
        assert job.running and time.monotonic() < deadline, "the ranks never started"
        time.sleep(0.05)
    enough = sum(cluster.counters("h1")) + BYTES_OF_ITERATIONS
    while sum(cluster.counters("h1")) < enough:
        assert job.running and time.monotonic() < deadline, "the ranks never began to measure"
        time.sleep(0.05)


def kill(cluster: Cluster, host: str, name: str,
         number: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal to the one process of that name on the host."""
    (process,) = cluster.processes(host, name[:15])
    os.kill(process.pid, number)


def kill_rank(cluster: Cluster, program: Path) -> None:
    kill(cluster, "h3", program.name)


def kill_first_rank(cluster: Cluster, program: Path) -> None:
    kill(cluster, "h1", program.name)


def kill_daemon(cluster: Cluster, program: Path) -> None:
    kill(cluster, "h3", "orted")


def cut_link(cluster: Cluster, program: Path) -> None:
    cluster.cut_link("h3")


@pytest.mark.parametrize(("failure", "distribute"), [
    (kill_rank, "local"), (kill_first_rank, "scatter"), (kill_daemon, "scatter"),
    (cut_link, "scatter")])
def test_a_failure_ends_the_run(cluster: Cluster, program: Path, tmp_path: Path,
                                failure: Callable[[Cluster, Path], None], distribute: str) -> None:
    results, saved = tmp_path / "results.json", tmp_path / "saved"
    options = (*LONG, "--distribute", distribute, "--json", results, "--save", saved)
    with Job(cluster, Part(4, program, options), limit_s=2 * LIMIT_S) as job:
        wait_until_measuring(cluster, job, program)
        assert job.running, job.wait().stderr
        failure(cluster, program)
        done = job.wait()
        left = wait_until_idle(cluster, LIMIT_S)
    assert done.code not in (0, 124), done.stderr  # 124: it went on until its time was up
    assert not left, f"after {LIMIT_S} s there are still {left}"
    # A daemon's end is noticed first by mpirun, which asks the ranks to end, and all may still be
    # there to do so in good order; else one is missing.
    assert not looks_whole(results)
    assert failure is kill_daemon or not results.exists()
    assert not list(saved.glob("*.npy"))
    assert results.exists() or "Average time" not in done.stdout


def test_an_interrupted_run_does_not_look_whole(cluster: Cluster, program: Path,
                                                tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    with Job(cluster, Part(4, program, (*LONG, "--json", results)), limit_s=2 * LIMIT_S) as job:
        wait_until_measuring(cluster, job, program)
        kill(cluster, "h1", MPIRUN, signal.SIGINT)
        done = job.wait()
        left = wait_until_idle(cluster, LIMIT_S)
    assert done.code not in (0, 124), done.stderr
    assert not left, f"after {LIMIT_S} s there are still {left}"
    assert not looks_whole(results)
