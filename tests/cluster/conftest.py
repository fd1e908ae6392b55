# SPDX-License-Identifier: Apache-2.0
"""What the cluster's tests share: hosts for each test, the program, and when all are skipped."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from hosts import Cluster, ClusterError  # noqa: E402
from launch import find_mpirun  # noqa: E402

SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--program", type=Path, required=False, help="the built convscale")


def built_with(program: Path) -> str | None:
    """The MPI library that the program was built with."""
    options = ("--size", "8", "--mem", "64", "--iterations", "1", "--json", "-")
    said = subprocess.run([program, *options], capture_output=True, text=True, check=True,
                          timeout=240)
    library: str | None = json.loads(said.stdout)["build"]["mpi"]
    return library


def why_skipped(program: Path | None) -> str | None:
    """What this machine, or the program's build, lacks for these tests."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    for tool in ("ip", "tc", "nsenter", "unshare", "setsid", "timeout"):
        if shutil.which(tool) is None:
            return f"no {tool} here (packages iproute2 and util-linux)"
    if find_mpirun() is None:
        return "no mpirun of Open MPI 4 here (package openmpi-bin)"
    try:
        with Cluster(hosts=1) as cluster:
            subprocess.run([cluster.agent, "h1", "true"], check=True, capture_output=True)
    except (ClusterError, OSError, subprocess.CalledProcessError) as error:
        return f"no network namespaces here: {error}"
    if program is not None and not (mpi := built_with(program) or "").startswith("Open MPI 4."):
        return f"the program is built with {mpi or 'no MPI'}, not with Open MPI 4"
    return None


def pytest_sessionstart(session: pytest.Session) -> None:
    program = session.config.getoption("--program")
    if program is not None and not program.is_file():
        pytest.exit(f"--program {program}: there is no such file", returncode=2)
    if reason := why_skipped(program):
        print(f"skipped: {reason}", flush=True)  # the line that scripts/test.sh shows
        pytest.exit(reason, returncode=SKIPPED)


@pytest.fixture(name="program")
def find_program(pytestconfig: pytest.Config) -> Path:
    """The built convscale."""
    path = pytestconfig.getoption("--program")
    if path is None:
        pytest.fail("give --program=PATH of the built convscale")
    assert isinstance(path, Path)
    return path.resolve()


@pytest.fixture(name="cluster")
def make_cluster() -> Iterator[Cluster]:
    """Four hosts of the test's own, h1 to h4."""
    with Cluster() as cluster:
        yield cluster
