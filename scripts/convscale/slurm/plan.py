# SPDX-License-Identifier: Apache-2.0
"""From a request to jobs: one for each experiment, with a command for each results file."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from convscale.scaling.runs import interpreter
from convscale.slurm.job import Job, Launch
from convscale.slurm.options import Experiment, Request

PROGRAM, BASELINE = "convscale", "baseline.py"

_BASELINE_SCRIPT = Path(__file__).resolve().parents[2] / "baseline.py"


@dataclass(frozen=True)
class Run:
    """One call of the program or of the baseline, and so one results file."""

    name: str  # such as 2x4-scatter
    tool: str
    args: tuple[str, ...]  # but for those of the results file

    @property
    def results(self) -> str:
        return f"{self.name}.json"


def runs_of(request: Request, experiment: Experiment, dragon: Optional[str]) -> list[Run]:
    """In the order in which they run. A single rank has nothing to distribute."""
    height, width = experiment.size
    common = ("--num_workers", str(experiment.num_workers), "--size",
              str(height) if height == width else f"{height}x{width}", "--mem",
              str(experiment.mem), "--fill", request.fill, "--iterations",
              str(request.iterations), "--burns", str(request.burns))
    of_program = ("--backend", request.backend, "--method", ",".join(request.methods), *common)
    if experiment.nodes * request.ranks_per_node == 1:
        runs = [Run(experiment.name, PROGRAM, of_program)]
    else:
        runs = [Run(f"{experiment.name}-{distribute}", PROGRAM,
                    (*of_program, "--distribute", distribute))
                for distribute in request.distributes]
    if request.with_baseline:
        # Python's own processes, which the original measured, too, stay on one node.
        kernels = "scipy-spawn,scipy-dragon" if experiment.nodes == 1 else "scipy-dragon"
        runs.append(Run(f"{experiment.name}-dragon", BASELINE,
                        ("--kernel", kernels, *common, *(("--dragon", dragon) if dragon else ()))))
    return runs


def job_of(request: Request, experiment: Experiment, runs: list[Run], program: Path) -> Job:
    """That does these runs of an experiment."""
    launches = []
    for run in runs:
        # Dragon starts its own processes, one a node, with the srun that it calls itself.
        tool = [str(program)] if run.tool == PROGRAM else [
            "env", "-u", "SLURM_NTASKS_PER_NODE", *interpreter(), str(_BASELINE_SCRIPT)]
        launches.append(Launch(run.results, (*tool, *run.args, "--json", run.results),
                               on_all=run.tool == PROGRAM))
    return Job(experiment.name, experiment.nodes, tuple(launches), request.gpus_per_node)
