# SPDX-License-Identifier: Apache-2.0
"""The steps of a sweep as Slurm jobs: submitted all at once, then waited for.

An interrupt leaves the jobs in the queue; the same command finds them there, and submits no other.
"""
from __future__ import annotations

import os
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Optional, Sequence

from convscale.cli import FAILURE, OK, Error, UsageError, write_text
from convscale.scaling.folder import Folder, State
from convscale.scaling.launch import say
from convscale.scaling.placement import Placement
from convscale.scaling.plan import Step
from convscale.scaling.runs import Tools, begin, end, is_complete, results_path
from convscale.slurm import job as slurm_job
from convscale.slurm import submit
from convscale.slurm.environment import shell_function

# A shared folder may show the file later than Slurm says that the job has ended.
_LOOKS, _PAUSE_S = 10, 0.5

_Now = Optional[dict[int, submit.State]]  # None: Slurm does not answer


def job_text(placement: Placement, step: Step, folder: Folder, command: Sequence[str]) -> str:
    """A batch script that runs `command` on the nodes of the step, and leaves its exit code."""
    per_node, site = step.ranks // step.nodes, placement.site
    is_on_gpus = "cuda" in step.args[step.args.index("--backend") + 1].split(",")
    if per_node > 1 and not is_on_gpus:  # of a socket each, say; the last of two options counts
        site = replace(site, sbatch_options=(*site.sbatch_options,
                                             f"--ntasks-per-node={per_node}"))
    launch = slurm_job.Launch(folder.results_of(step).name, tuple(command))
    job = slurm_job.Job(step.name, step.nodes, (launch,), per_node if is_on_gpus else 0)
    return slurm_job.script_of(job, site, Path(os.path.abspath(folder.runs)))


def dry_jobs(steps: Sequence[Step], folder: Folder, program: Path, placement: Placement) -> str:
    """Each script, as a shell would write and submit it."""
    tools = Tools(program.resolve(), "", None, None)
    texts = [job_text(placement, step, folder, tools.command(step, results_path(step, folder)))
             for step in steps]
    lines = [shlex.join(["mkdir", "-p", "--", str(folder.runs)]), shell_function(texts[0])]
    for step, text in zip(steps, texts):
        script = shlex.quote(str(folder.script_of(step)))
        lines += [f"cat > {script} <<'END_OF_JOB'", f"{text}END_OF_JOB", f"submit_script {script}"]
    return "\n".join(lines) + "\n"


def check_no_jobs(folder: Folder, state: State) -> None:
    """Raises UsageError where jobs of the sweep would write what others are to write."""
    now = submit.states_of(list(state.jobs.values()))
    left = [str(job) for job in state.jobs.values() if _may_run(job, now)]
    if left:
        raise UsageError(f"--out {folder.path}: jobs {', '.join(left)} of this sweep are in the "
                         f"queue; give --slurm and no --fresh to wait for them, or scancel "
                         f"{' '.join(left)} first")


def run_jobs(steps: Sequence[Step], folder: Folder, tools: Tools, state: State,
             placement: Placement) -> None:
    """Submits what is not complete and not in the queue, and waits for all of it. Raises
    KeyboardInterrupt where it is told to wait no longer; the jobs go on."""
    now = submit.states_of(list(state.jobs.values()))
    try:
        for number, step in enumerate(steps, 1):
            label = f"step {number} of {len(steps)}: {step.name}"
            job = state.jobs.get(step.name)
            if job is not None and _may_run(job, now):
                say(f"{label}: job {job} was submitted before")
                continue
            if job is not None:  # it ended while nobody waited
                _collect(step, folder, state)
            if is_complete(step, folder, tools):
                say(f"{label}: complete")
                end(step, OK, folder, state)
                continue
            _submit(step, folder, tools, state, placement, label)
        _wait(steps, folder, state)
    except KeyboardInterrupt:
        if state.jobs:
            jobs = list(map(str, state.jobs.values()))
            say(f"jobs {', '.join(jobs)} stay in the queue; the same command waits for them, "
                f"scancel {' '.join(jobs)} ends them")
        raise


def _may_run(job: int, now: _Now) -> bool:
    return now is None or not now.get(job, submit.GONE).is_over


def _submit(step: Step, folder: Folder, tools: Tools, state: State, placement: Placement,
            label: str) -> None:
    """What Slurm refuses, such as too many nodes, does not keep the other steps from running."""
    results = begin(step, folder, state)
    folder.code_of(step).unlink(missing_ok=True)
    write_text(folder.script_of(step),
               job_text(placement, step, folder, tools.command(step, results)))
    try:
        state.jobs[step.name] = submit.submit(folder.script_of(step))
    except Error as error:
        say(f"{label}: {error}")
        end(step, FAILURE, folder, state)
        return
    state.save(folder)
    say(f"{label}: job {state.jobs[step.name]}")


def _wait(steps: Sequence[Step], folder: Folder, state: State) -> None:
    """Collects each step when its job has ended."""
    of_job = {state.jobs[step.name]: step for step in steps if step.name in state.jobs}

    def tell(job: int, now: submit.State) -> None:
        step = of_job[job]
        if not now.is_over:
            say(f"step {step.name}: job {job} is {now}")
        elif step.name in state.jobs:
            code = _collect(step, folder, state)
            say(f"step {step.name}: " + ("done" if code == OK else
                                         f"ended with exit code {code}; going on with the others"))

    submit.wait_for(list(of_job), tell)


def _collect(step: Step, folder: Folder, state: State) -> int:
    """The exit code that the job left; without one it was cancelled, out of time, or lost."""
    code = FAILURE
    for _ in range(_LOOKS):
        if folder.code_of(step).is_file():
            break
        time.sleep(_PAUSE_S)
    try:
        words = [line.split() for line in
                 folder.code_of(step).read_text(encoding="utf-8").splitlines()]
        code = next(int(word[1]) for word in words if word[0] == folder.results_of(step).name)
    except (OSError, ValueError, IndexError, StopIteration):
        say(f"step {step.name}: job {state.jobs[step.name]} left no exit code: it was cancelled or "
            f"ran out of time, or its node failed; see {folder.text_of(step).name}")
    del state.jobs[step.name]
    end(step, code, folder, state)
    return code
