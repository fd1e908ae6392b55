# SPDX-License-Identifier: Apache-2.0
"""What the Slurm tests share: one cluster for all, the program, and why they cannot run here."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Optional

import pytest

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]

from experiments_runs import Experiments  # noqa: E402
from slurm_cluster import NoSlurm, SlurmCluster, check_tools  # noqa: E402

SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--program", type=Path, required=True, help="the built convscale")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ends the whole run, with a reason, where it cannot be done."""
    # What holds a cluster is told of a termination as of an interrupt, and ends it.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=128 + 15))
    try:
        check_tools()
        _check_program(session.config.getoption("--program"))
    except NoSlurm as error:
        print(f"skipped: {error}", flush=True)  # the line that scripts/test.sh shows
        pytest.exit(str(error), returncode=SKIPPED)


def _check_program(program: Path) -> None:
    done = subprocess.run([program, "--size", "4", "--mem", "16", "--iterations", "1", "--burns",
                           "0", "--json", "-"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.exit(f"{program}: {done.stderr.strip()}", returncode=2)
    library: Optional[str] = json.loads(done.stdout)["build"]["mpi"]
    if not library:
        raise NoSlurm("this build has no MPI (CONVSCALE_MPI)")


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """Four nodes, n1 to n4."""
    with SlurmCluster() as made:
        yield made


@pytest.fixture
def experiments(cluster: SlurmCluster, tmp_path: Path,
                pytestconfig: pytest.Config) -> Experiments:
    """experiments.py with a folder of its own."""
    return Experiments(cluster, tmp_path / "out", pytestconfig.getoption("--program").resolve())
