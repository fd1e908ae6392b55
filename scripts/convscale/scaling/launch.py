# SPDX-License-Identifier: Apache-2.0
"""Starting the commands of steps: here, or on nodes with mpirun or srun. Jobs are in jobs.py."""
from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Mapping, Optional, Protocol, Sequence

from convscale.cli import INTERRUPTED, UnsupportedError
from convscale.lock import held
from convscale.scaling.placement import ALLOCATION, HOSTFILE, Placement
from convscale.scaling.plan import Step
from convscale.slurm.environment import without_rank
from convscale.slurm.job import SRUN_ENVIRONMENT, Site, launch_command, seconds_of

_GRACE_S = "30"  # from the end of a step's time to the end of what does not heed it


class Launcher(Protocol):
    """Runs commands to their end."""

    def command(self, step: Step, command: Sequence[str]) -> list[str]:
        """What is run for a step whose program is called by `command`."""

    def run(self, step: Step, command: Sequence[str], output: Path) -> int:
        """Returns the exit code; standard output goes to the file `output`.

        Raises KeyboardInterrupt after an interrupted command has ended, and OSError where it cannot
        be started.
        """


class LocalLauncher:
    """Runs a command on this machine. Its standard error is ours, so that its progress is seen;
    or, if it shall be `quiet`, goes where its output goes."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet

    def command(self, step: Step, command: Sequence[str]) -> list[str]:
        """See Launcher."""
        return list(command)

    def run(self, step: Step, command: Sequence[str], output: Path) -> int:
        """See Launcher."""
        return _run(self.command(step, command), output, to_group=True,
                    environment=without_rank(os.environ),
                    errors=subprocess.STDOUT if self._quiet else None)


class NodeLauncher:
    """Runs a command on nodes, one or more ranks each, for a limited time."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    def command(self, step: Step, command: Sequence[str]) -> list[str]:
        """See Launcher."""
        site = self._placement.site
        # In the foreground, timeout passes an interrupt on once, and to the launcher alone, which
        # ends its ranks: a second one would make it leave them.
        limit = str(seconds_of("--time", site.time))
        return ["timeout", "--foreground", "-k", _GRACE_S, limit,
                *launch_command(self._on_nodes(step), step.nodes, step.ranks // step.nodes),
                *command]

    def _on_nodes(self, step: Step) -> Site:
        """The site, with what takes only the nodes of the step from those that there are."""
        site, per_node = self._placement.site, step.ranks // step.nodes
        if self._placement.kind == HOSTFILE:
            hosts = ",".join(f"{host}:{per_node}" for host in self._placement.hosts[:step.nodes])
            own = ["--host", hosts]
        elif site.launcher == "mpirun":
            own = []  # ranks are laid a node after the other, as many on each
        else:
            own = [f"--nodes={step.nodes}", f"--ntasks={step.ranks}",
                   f"--ntasks-per-node={per_node}", "--quit-on-interrupt"]
        return replace(site, launcher_options=(*own, *site.launcher_options))

    def run(self, step: Step, command: Sequence[str], output: Path) -> int:
        """See Launcher."""
        return _run(self.command(step, command), output, to_group=False,
                    environment={**SRUN_ENVIRONMENT, **without_rank(os.environ)})


def launcher_of(placement: Placement, check: bool = True) -> Launcher:
    """With `check`, raises UnsupportedError where this machine has no such launcher."""
    if placement.kind == HOSTFILE:
        if check:
            check_mpirun()
        return NodeLauncher(placement)
    if placement.kind == ALLOCATION:
        launcher = placement.site.launcher
        if check and shutil.which(launcher) is None:
            raise UnsupportedError(f"inside a Slurm allocation, but there is no {launcher} in "
                                   "PATH; put it there, or give --hostfile")
        return NodeLauncher(placement)
    return LocalLauncher()


def check_mpirun() -> None:
    """Raises UnsupportedError where `mpirun` is not Open MPI's: others take other options."""
    try:
        done = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False, errors="replace",
                              env=without_rank(os.environ))
        version = done.stdout
    except (OSError, subprocess.TimeoutExpired):
        version = ""
    if not re.search(r"\(Open MPI\)|OpenRTE|open-mpi", version, re.IGNORECASE):
        raise UnsupportedError("--hostfile: there is no mpirun of Open MPI in PATH; put it there "
                               "(Debian's openmpi-bin), or use --slurm")


def _run(command: Sequence[str], output: Path, to_group: bool,
         environment: Mapping[str, str], errors: Optional[int] = None) -> int:
    """`to_group`: whether an interrupt goes to all of its processes, or to the first. `errors`:
    where its standard error goes, as Popen has it."""
    with open(output, "wb") as file:
        # A group of its own: a signal from the terminal reaches it through us, once, as a
        # second one would end the program before it has written what it measured.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file,
                                   stderr=errors, process_group=0, env=environment,
                                   pass_fds=held())
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
            with suppress(ProcessLookupError):
                if to_group:
                    os.killpg(process.pid, signal.SIGINT)
                else:
                    process.send_signal(signal.SIGINT)
    if interrupted or code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code


def say(message: str) -> None:
    print(f"scaling.py: {message}", file=sys.stderr, flush=True)
