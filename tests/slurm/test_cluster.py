# SPDX-License-Identifier: Apache-2.0
"""That nothing of a cluster is left, however the process that made it ends."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from experiments_runs import wait_until
from slurm_cluster import SlurmCluster, processes_of

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from slurm_cluster import SlurmCluster
with SlurmCluster() as cluster:
    cluster.run("sbatch", "--nodes=2", "--output=/dev/null", "--wrap", "srun --mpi=none sleep 600")
    print(cluster.folder, flush=True)
    time.sleep(600)
"""


def check_gone(folder: Path) -> None:
    wait_until(lambda: not folder.exists() and not processes_of(folder), "nothing is left")


def test_nothing_is_left(tmp_path: Path) -> None:
    with SlurmCluster() as cluster:
        assert len(processes_of(cluster.folder)) >= 6
        assert cluster.run("srun", "--nodes=4", "--mpi=none", "hostname").stdout.split() != []
    check_gone(cluster.folder)


def test_nothing_is_left_where_a_test_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        with SlurmCluster() as cluster:
            raise ZeroDivisionError
    check_gone(cluster.folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_process_that_was_killed(number: int) -> None:
    process = subprocess.Popen([sys.executable, "-B", "-c", HOLDER, str(Path(__file__).parent)],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.is_dir()
    wait_until(lambda: any("sleep 600" in line and "srun" not in line
                           for line in processes_of(folder)), "a job runs")
    os.kill(process.pid, number)
    process.communicate(timeout=240)
    check_gone(folder)
