# SPDX-License-Identifier: Apache-2.0
"""Job scripts for sbatch, from a description. Says nothing of what the commands measure."""
from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from convscale.cli import UsageError

LAUNCHERS = ("srun", "mpirun")

_LEAST_S, _MOST_S = 60, 366 * 86400
_MARGIN_S = 45  # between ending a command and Slurm's ending the job
_KILL_S = 20
_HEADING = "--- "  # and the results file, before what a command prints
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

# Of srun, for PMIx. With Slurm's own choice, "mixed", ranks may leave MPI_Init before another is
# done with it, which their first message then kills. Four ranks of Open MPI 4.1.4 under Slurm
# 22.05.8, on a busy machine: 6 of 538 starts; none of 538 with "tree", none of 535 with "ring".
SRUN_ENVIRONMENT = {"SLURM_PMIX_FENCE": "tree"}

# Dead hosts are found by these. Later versions of Open MPI know of other ways, and ignore them.
_KEEPALIVE = ("--mca", "oob_tcp_keepalive_time", "5", "--mca", "oob_tcp_keepalive_intvl", "2",
              "--mca", "oob_tcp_keepalive_probes", "3")


@dataclass(frozen=True)
class Site:
    """How jobs are asked for, and how ranks are started, on one cluster."""

    partition: Optional[str] = None
    account: Optional[str] = None
    time: str = "00:30:00"  # as sbatch takes it
    sbatch_options: tuple[str, ...] = ()
    launcher: str = "srun"
    mpi: str = "pmix"  # of srun
    launcher_options: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises UsageError for what no job script could hold, or would break one."""
        for option, text in (("--partition", self.partition), ("--account", self.account),
                             ("--mpi", self.mpi)):
            if text is not None:
                check_text(option, text)
        for option, texts in (("--sbatch-option", self.sbatch_options),
                              ("--launcher-option", self.launcher_options)):
            for text in texts:
                check_text(option, text)
        for text in self.sbatch_options:
            if not re.match(r"--?[A-Za-z]", text):
                raise UsageError(f"--sbatch-option {text}: expected an option of sbatch, such as "
                                 "--sbatch-option=--constraint=haswell")
        seconds_of("--time", self.time)


@dataclass(frozen=True)
class Launch:
    """One command of a job."""

    results: str  # the file that it writes, in the job's folder
    command: tuple[str, ...]
    on_all: bool = True  # as ranks, one a node or one a GPU; else once, on the first node


@dataclass(frozen=True)
class Job:
    """Commands that run one after the other on the same nodes.

    The job's folder gets NAME.sh, NAME.txt (what is printed) and NAME.exit: a line "RESULTS CODE"
    for each command that has ended.
    """

    name: str
    nodes: int
    launches: tuple[Launch, ...]
    gpus_per_node: int = 0  # 0: none are asked for, and a node has one rank

    def __post_init__(self) -> None:
        for name in (self.name, *(launch.results for launch in self.launches)):
            assert _NAME.fullmatch(name), name  # else it would need quotes

    @property
    def ranks_per_node(self) -> int:
        return max(1, self.gpus_per_node)

    @property
    def ranks(self) -> int:
        return self.nodes * self.ranks_per_node


def check_text(option: str, text: str) -> None:
    """Raises UsageError for an empty value, and for one that would not stay on its line."""
    if not text:
        raise UsageError(f"{option}: is empty; give a value")
    if not text.isprintable():
        raise UsageError(f"{option} {text!r}: has a character that no job script can hold, such as "
                         "the end of a line; leave it out")


def split_options(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The words of options that are given as a shell has them. Raises UsageError."""
    for text in texts:
        check_text(option, text)
    try:
        return tuple(word for text in texts for word in shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{option}: {str(error).lower()}; quote as in a shell") from error


def check_folder(option: str, path: Path) -> None:
    """Raises UsageError for a folder that sbatch cannot be told of."""
    check_text(option, str(path))
    if "\\" in str(path):
        raise UsageError(f"{option} {path}: sbatch takes no name with a backslash; give another "
                         "folder")


def seconds_of(option: str, text: str) -> int:
    """Of a time limit as sbatch takes it: MINUTES, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS."""
    match = re.fullmatch(r"(?:([0-9]{1,4})-)?([0-9]{1,6}(?::[0-9]{1,6}){0,2})", text)
    numbers = [int(number) for number in match[2].split(":")] if match else []
    if match is not None and match[1] is not None:
        numbers = [int(match[1]) * 24 + numbers[0], *numbers[1:], 0, 0][:3]
    elif len(numbers) < 3:
        numbers = [0, *numbers, 0][:3]
    seconds = sum(number * unit for number, unit in zip(numbers, (3600, 60, 1)))
    if not _LEAST_S <= seconds <= _MOST_S:
        raise UsageError(f"{option} {text}: expected a time of at least a minute as sbatch takes "
                         "it, such as 30 (minutes), 00:30:00 or 1-12")
    return seconds


def launch_command(site: Site, nodes: int, ranks_per_node: int) -> list[str]:
    """What stands in front of a program to start its ranks, in a job or in an allocation. A rank
    may use all processors of its node: ranks of one node divide them."""
    if site.launcher == "mpirun":
        return ["mpirun", "-np", str(nodes * ranks_per_node), "--map-by",
                f"ppr:{ranks_per_node}:node", "--bind-to", "none", *_KEEPALIVE,
                *site.launcher_options]
    return ["srun", f"--mpi={site.mpi}", "--kill-on-bad-exit=1", "--distribution=cyclic",
            "--cpu-bind=none", *site.launcher_options]


def script_of(job: Job, site: Site, folder: Path) -> str:
    """The job script. `folder` is absolute; it is where the commands run and write."""
    site.check()
    check_folder("the job's folder", folder)
    limit = seconds_of("--time", site.time) - _margin(site)
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in _sbatch_options(job, site, folder)),
             "", *_PROLOGUE.format(name=job.name, limit=limit, kill=_KILL_S, heading=_HEADING,
                                    **SRUN_ENVIRONMENT).splitlines()]
    for launch in job.launches:
        command = list(launch.command)
        launcher = launch_command(site, job.nodes, job.ranks_per_node) if launch.on_all else []
        lines += ["", _wrapped(["run", launch.results], launcher, command)]
    return "\n".join([*lines, "", 'exit "$code"', ""])


_PROLOGUE = """\
# Ranks under srun that still run shortly before the job's end are told so by Slurm (--signal), and
# write what they have measured; srun itself would kill them. What is no such rank, or does not heed
# it, ends after so many seconds.
limit={limit}
code=0

# run RESULTS COMMAND...: the job's exit code becomes the first that is not 0.
run() {{
  local results=$1 left=$((limit - SECONDS)) ended
  shift
  rm -f -- "$results"
  echo "{heading}$results"
  timeout --foreground -k {kill} "$((left > 0 ? left : 1))" "$@" </dev/null
  ended=$?
  rm -f -- "$results".partial-*  # of a program that was killed
  echo "$results $ended" >>{name}.exit
  if [ "$code" -eq 0 ]; then code=$ended; fi
}}

rm -f -- {name}.exit
# srun takes over --cpus-per-task by this variable only.
if [ -n "${{SLURM_CPUS_PER_TASK-}}" ]; then
  export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
fi
# Else a rank may be sent a message while it is still in MPI_Init, and crash.
export SLURM_PMIX_FENCE=${{SLURM_PMIX_FENCE-{SLURM_PMIX_FENCE}}}"""


def printed_by(output: str, results: str) -> str:
    """The part of a job's output that one of its commands printed; "" where it was not started."""
    found = re.search(rf"^{_HEADING}{re.escape(results)}$\n?(.*?)(?=^{_HEADING}\S+$|\Z)", output,
                      re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _margin(site: Site) -> int:
    return min(_MARGIN_S, seconds_of("--time", site.time) // 13)


def _sbatch_options(job: Job, site: Site, folder: Path) -> list[str]:
    """All of a node: its processors (--exclusive without --cpus-per-task) and its memory."""
    options = [f"--job-name=convscale-{job.name}", f"--nodes={job.nodes}",
               f"--ntasks-per-node={job.ranks_per_node}", "--exclusive", "--mem=0",
               f"--time={site.time}", f"--signal=TERM@{2 * _margin(site)}"]
    options += [f"--gpus-per-node={job.gpus_per_node}"] if job.gpus_per_node else []
    # sbatch expands each % in the name of an output, and in that of its folder.
    output = str(folder / f"{job.name}.txt").replace("%", "%%")
    texts = [("--chdir=", str(folder)), ("--output=", output),
             ("--partition=", site.partition), ("--account=", site.account),
             *(("", option) for option in site.sbatch_options)]
    return options + [_quoted(name + text) for name, text in texts if text is not None]


def _quoted(text: str) -> str:
    """For a line of sbatch options, where # begins a comment and a backslash means the next."""
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", text):
        return text
    escaped = re.sub(r'([\\"])', r"\\\1", text)
    return f'"{escaped}"'


def _wrapped(*parts: Sequence[str]) -> str:
    """A command for the shell, a line for each part; the last part has a line for each option."""
    *heads, command = [part for part in parts if part]
    lines = [shlex.join(head) for head in heads]
    for word in command:
        if word.startswith("--") or not lines[len(heads):]:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n  ".join(lines)
