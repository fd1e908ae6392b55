# SPDX-License-Identifier: Apache-2.0
"""A folder for sweeps of scaling.py over nodes, with made-up launchers."""
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from scaling_bench import Bench, bench

from convscale.scaling import jobs

__all__ = ["bench"]  # a fixture

HERE = Path(__file__).resolve().parent
NODES = ["--nodes", "1,2", "--workers-per-node", "2", "--mem", "4M", "--method", "full",
         "--mode", "strong", "--distribute", "scatter,local"]
STEPS = ["strong-n1-full-float64", "strong-n2-scatter-full-float64",
         "strong-n2-local-full-float64"]


@pytest.fixture
def cluster(bench: Bench, tmp_path: Path) -> Bench:
    """A bench with made-up launchers in PATH, and a hostfile of two hosts."""
    folder = tmp_path / "launchers"
    folder.mkdir()
    for name in ("mpirun", "srun", "sbatch", "squeue", "sinfo"):
        bench.programs.write(folder / name, HERE / "made_up_launchers.py")
    (folder / "behaviour.json").write_text("{}")
    bench.monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for name in ("SLURM_JOB_ID", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK"):
        bench.monkeypatch.delenv(name, raising=False)
    bench.monkeypatch.setattr(jobs, "_PAUSE_S", 0.001)
    (tmp_path / "hosts").write_text("h1 slots=2  # the first\n\nh2 slots=2\nh3 slots=2\n")
    return bench


def launchers(cluster: Bench, **behaviour: object) -> None:
    path = cluster.bin.parent / "launchers" / "behaviour.json"
    path.write_text(json.dumps(behaviour))


def launches(cluster: Bench) -> list[list[str]]:
    """The words of each launch since the last call of this."""
    path = cluster.bin.parent / "launchers" / "launches.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.split() for line in lines]


def hostfile(cluster: Bench) -> list[str]:
    return ["--hostfile", str(cluster.bin.parent / "hosts")]
