# SPDX-License-Identifier: Apache-2.0
"""Handing job scripts to Slurm, and asking it how they are."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Sequence

from convscale.cli import Error, UnsupportedError, UsageError
from convscale.slurm.environment import outside_of_jobs

_ANSWER_S = 60.0
_FIRST_POLL_S, _LONGEST_POLL_S, _POLL_GROWTH = 0.5, 30.0, 1.3
_OVER = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
         "PREEMPTED", "REVOKED", "TIMEOUT")


@dataclass(frozen=True)
class State:
    """What Slurm says of a job."""

    name: str  # such as PENDING
    reason: str = ""  # such as Resources; "" where there is none

    @property
    def is_over(self) -> bool:
        return self.name in _OVER

    def __str__(self) -> str:
        words = {"PENDING": "queued", "COMPLETING": "running"}
        name = words.get(self.name, self.name.lower().replace("_", " "))
        return f"{name} ({self.reason})" if self.reason else name


GONE = State("COMPLETED")  # Slurm has forgotten it, so it has ended


def check_commands() -> None:
    """Raises UnsupportedError where no jobs can be submitted."""
    for name in ("sbatch", "squeue"):
        if shutil.which(name) is None:
            raise UnsupportedError(f"there is no {name} here; start this where Slurm's commands "
                                   "are, such as on a login node, or look at --dry-run")


def check_script(option: str, text: str) -> None:
    """Has Slurm look at a script as if it were submitted. Raises UsageError where it refuses."""
    done = _run(["sbatch", "--test-only"], text)
    if done.returncode != 0:
        raise UsageError(f"{option}: sbatch refuses this job: {_said(done)}")


def submit(script: Path) -> int:
    """The number of the new job. Raises Error."""
    text = script.read_text(encoding="utf-8", errors="replace")
    # A group of its own: an interrupt must not come between the job and its number.
    done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, process_group=0, check=False,
                          env=outside_of_jobs(os.environ, text))
    found = re.match(r"([0-9]+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise Error(f"{script}: sbatch took it not: {_said(done)}")
    return int(found[1])


def states_of(jobs: Sequence[int]) -> Optional[dict[int, State]]:
    """Those of `jobs` that Slurm still knows; None where it does not answer."""
    if not jobs:
        return {}
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r",
               f"--jobs={','.join(map(str, jobs))}"]
    try:
        done = _run(command)
    except Error:
        return None
    if done.returncode != 0:
        return {} if "Invalid job id" in done.stderr else None
    states = {}
    for line in done.stdout.splitlines():
        fields = line.strip().split("|")
        if len(fields) == 3 and fields[0].isdecimal():
            states[int(fields[0])] = State(fields[1], "" if fields[2] == "None" else fields[2])
    return states


def wait_for(jobs: Sequence[int], on_change: Callable[[int, State], None]) -> None:
    """Returns when all have ended. Slurm's not answering for a while does no harm."""
    seen: dict[int, State] = {}
    pause = _FIRST_POLL_S
    while True:
        states = states_of(jobs)
        for job in jobs if states is not None else ():
            state = states.get(job, GONE) if states is not None else GONE
            if seen.get(job) != state:
                seen[job] = state
                pause = _FIRST_POLL_S
                on_change(job, state)
        if len(seen) == len(jobs) and all(state.is_over for state in seen.values()):
            return
        time.sleep(pause)
        pause = min(_LONGEST_POLL_S, pause * _POLL_GROWTH)


def _run(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True,
                              errors="replace", timeout=_ANSWER_S, check=False,
                              env=outside_of_jobs(os.environ, text))
    except FileNotFoundError as error:
        raise UnsupportedError(f"there is no {command[0]} here") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Error(f"{command[0]}: {getattr(error, 'strerror', None) or 'does not answer'}; try "
                    "again later") from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """The errors of sbatch on one line."""
    lines = [line.strip().removeprefix("sbatch: error: ") for line in done.stderr.splitlines()]
    return "; ".join(line for line in lines if line) or f"exit code {done.returncode}"
