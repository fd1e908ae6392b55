# SPDX-License-Identifier: Apache-2.0
"""That nothing of a cluster is left, also where the process that made it is killed."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from experiments_runs import wait_until
from slurm_cluster import processes_of

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from slurm_cluster import SlurmCluster
with SlurmCluster() as cluster:
    cluster.run("sbatch", "--nodes=2", "--output=/dev/null", "--wrap", "srun --mpi=none sleep 600")
    print(cluster.folder, flush=True)
    time.sleep(600)
"""


def test_nothing_is_left_of_a_process_that_was_killed() -> None:
    process = subprocess.Popen([sys.executable, "-B", "-c", HOLDER, str(Path(__file__).parent)],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.is_dir()
    wait_until(lambda: any("sleep 600" in line and "srun" not in line
                           for line in processes_of(folder)), "a job runs")
    process.kill()
    process.communicate(timeout=240)
    wait_until(lambda: not folder.exists() and not processes_of(folder), "nothing is left")
