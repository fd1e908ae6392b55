# SPDX-License-Identifier: Apache-2.0
"""Where the steps of a sweep over nodes run: how they are launched, and what a node has."""
from __future__ import annotations

import argparse
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

from convscale.cli import UnsupportedError, UsageError
from convscale.scaling.hostfile import read_hostfile
from convscale.slurm.environment import outside_of_jobs
from convscale.slurm.job import LAUNCHERS, Site, split_options
from convscale.text import printable

HERE, HOSTFILE, ALLOCATION, SLURM = "here", "hostfile", "allocation", "slurm"

_OF_SLURM = ("partition", "account", "sbatch_option")


@dataclass(frozen=True)
class Placement:
    """How steps are launched; no part of a request, as it changes nothing of what is measured."""

    kind: str = HERE
    hosts: tuple[str, ...] = ()  # of a hostfile, in its order, each once
    slots: Optional[int] = None  # of the one that has the fewest, if all say how many
    allocated: Optional[int] = None  # nodes of the allocation that this runs in
    site: Site = Site()


def add_options(add: Callable[..., object]) -> None:
    """Those that say where nodes come from."""
    add("--hostfile", metavar="FILE", help="launch steps with Open MPI's mpirun on the first hosts "
        "of this file, one a line, as Open MPI, MPICH or Slurm take it")
    add("--slurm", action="store_true", help="submit a Slurm job for each step, and wait for them; "
        "without this, inside an allocation, steps are launched in it")
    add("--partition", metavar="NAME", help="of the Slurm jobs")
    add("--account", metavar="NAME", help="of the Slurm jobs")
    add("--sbatch-option", metavar="OPTION", action="append",
        help="one more option of the Slurm jobs, such as --sbatch-option=--qos=debug; may be given "
        "several times")
    add("--time", metavar="LIMIT", help="of each step over nodes, as sbatch takes it "
        f"({Site.time})")
    add("--launcher", choices=LAUNCHERS, help="what starts the ranks under Slurm: srun, or Open "
        "MPI's mpirun where Slurm and MPI do not know each other (srun)")
    add("--mpi", metavar="NAME", help="of srun (pmix)")
    add("--launcher-option", metavar="OPTIONS", action="append",
        help="more options of srun or mpirun, such as --launcher-option='--mca btl_tcp_if_include "
        "eth1'; may be given several times")


def parse_placement(given: argparse.Namespace,
                    environment: Mapping[str, str] = os.environ) -> Placement:
    """Raises UsageError for options that do not go together."""
    if given.nodes is None:
        names = ("hostfile", "slurm", "launcher", "mpi", "time", "launcher_option", *_OF_SLURM)
        _refuse(given, names, "without --nodes: it is of a sweep over nodes; give --nodes, such as "
                "--nodes 1,2,4")
        return Placement()
    kind = _kind(given, environment)
    if kind != SLURM:
        _refuse(given, _OF_SLURM, "without --slurm: it is of the jobs; leave it out")
    if kind in (HERE, HOSTFILE):
        _refuse(given, ("launcher", "mpi"), "without Slurm: mpirun starts the ranks; leave it out")
    site = Site(given.partition, given.account, given.time or Site.time,
                tuple(given.sbatch_option or ()),
                "mpirun" if kind == HOSTFILE else given.launcher or Site.launcher,
                given.mpi or Site.mpi,
                split_options("--launcher-option", given.launcher_option or ()))
    for name in ("partition", "account", "time", "mpi"):
        if getattr(given, name) == "":
            raise UsageError(f"--{name}: is empty; give a value")
    site.check()
    if given.mpi is not None and site.launcher != "srun":
        raise UsageError("--mpi beside --launcher mpirun: it is srun's; leave it out")
    if kind == HOSTFILE:
        hosts, slots = read_hostfile(Path(given.hostfile))
        return Placement(kind, hosts, slots, site=site)
    return Placement(kind, site=site,
                     allocated=_allocated(environment) if kind == ALLOCATION else None)


def check_nodes(placement: Placement, nodes: Sequence[int], ranks_per_node: int) -> None:
    """Raises UsageError where there are fewer nodes than a step takes."""
    most = max(nodes)
    if placement.kind == HERE and (most > 1 or ranks_per_node > 1):
        raise UsageError("--nodes: nothing says how to reach nodes; give --hostfile FILE, or "
                         "--slurm, or start this inside a Slurm allocation")
    if placement.kind == HOSTFILE and most > len(placement.hosts):
        raise UsageError(f"--nodes {most}: the hostfile names {len(placement.hosts)} hosts; list "
                         "more of them, or take fewer nodes")
    if placement.allocated is not None and most > placement.allocated:
        raise UsageError(f"--nodes {most}: this allocation has {placement.allocated}; take fewer "
                         "nodes, or a larger allocation")


def workers_of_node(placement: Placement, environment: Mapping[str, str] = os.environ) -> int:
    """All cores of a node, by what is known of nodes here. Raises UsageError where nothing is."""
    if placement.kind == HOSTFILE and placement.slots:
        return placement.slots
    if placement.kind == ALLOCATION:
        # "64(x3),32": the fewest, so that every node has them.
        known = re.findall(r"(\d+)(?:\(x\d+\))?", environment.get("SLURM_JOB_CPUS_PER_NODE", ""))
        if known:
            return min(map(int, known))
    if placement.kind == SLURM:
        return _cores_of_partition(placement.site.partition)
    return len(os.sched_getaffinity(0))


def _kind(given: argparse.Namespace, environment: Mapping[str, str]) -> str:
    if given.hostfile is not None and given.slurm:
        raise UsageError("--hostfile beside --slurm: steps are launched by mpirun or by Slurm; "
                         "leave one of them out")
    if given.hostfile is not None:
        return HOSTFILE
    if given.slurm:
        return SLURM
    return ALLOCATION if environment.get("SLURM_JOB_ID") else HERE


def _refuse(given: argparse.Namespace, names: Sequence[str], why: str) -> None:
    for name in names:
        if getattr(given, name) not in (None, False):
            raise UsageError(f"--{name.replace('_', '-')} {why}")


def _allocated(environment: Mapping[str, str]) -> Optional[int]:
    text = environment.get("SLURM_JOB_NUM_NODES") or environment.get("SLURM_NNODES") or ""
    return int(text) if text.isdigit() else None


def _cores_of_partition(partition: Optional[str]) -> int:
    partition = partition or os.environ.get("SBATCH_PARTITION")  # where the jobs would go
    command = ["sinfo", "--noheader", "--format=%c"]
    command += [f"--partition={partition}"] if partition else []
    advice = "say with --workers-per-node how many a node shall have"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL, env=outside_of_jobs(os.environ))
    except FileNotFoundError as error:
        raise UnsupportedError("--slurm: there is no sinfo here, so no Slurm; start this on a "
                               "node that submits jobs, or give --hostfile") from error
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise UsageError(f"--slurm: sinfo does not answer; {advice}") from error
    known = [int(text) for text in re.findall(r"^(\d+)\+?$", done.stdout, re.MULTILINE)]
    if done.returncode != 0:
        said = "; ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
        raise UsageError(f"--slurm: sinfo ended with exit code {done.returncode}"
                         + (f" ({printable(said)})" if said else "") + f"; {advice}")
    if not known:
        raise UsageError(f"--slurm: sinfo knows of no cores of partition {partition or 'default'}; "
                         + advice)
    return min(known)
