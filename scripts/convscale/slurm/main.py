# SPDX-License-Identifier: Apache-2.0
"""experiments.py from its options to its exit code."""
from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Mapping, Optional, Sequence

from convscale.cli import (OK, Error, UnsupportedError, UsageError,
                           interrupt_on_termination, write_text)
from convscale.lock import only_one
from convscale.packages import importing
from convscale.results import Document
from convscale.scaling.runs import Tools, find_tools, results_if_whole
from convscale.slurm import submit
from convscale.slurm.collect import document_of, exit_code, outcomes_of
from convscale.slurm.environment import shell_function, without_rank
from convscale.slurm.folder import Folder, check_collected, load_folder, merged
from convscale.slurm.job import Job, script_of
from convscale.slurm.options import Experiment, Options, Request, parse_options
from convscale.slurm.plan import BASELINE, Run, job_of, runs_of
from convscale.slurm.report import markdown, table_text

_GRACE_S = 5.0  # from a job's end until its files are seen here


def main(args: Sequence[str]) -> int:
    """Returns the exit code. Raises what cli.run_script turns into one line."""
    options = parse_options(args)
    if options.dry_run and options.request is not None:
        sys.stdout.buffer.write(os.fsencode(_dry_run(options, options.request)))
        _warn(options.request)
        return OK
    if options.request is None:
        folder = load_folder(options.out)
        if folder is None:
            raise UsageError(f"--out {options.out}: holds no experiments; submit some first")
        check_collected(folder, options.given)
        return _collect(folder)
    submit.check_commands()
    tools = _tools(options, options.request)
    load_folder(options.out)  # before anything is written into a stranger's
    with ExitStack() as stack:
        try:
            stack.enter_context(only_one(options.out, "experiments.py"))
        except OSError as error:
            raise _no_folder(options.out, error) from error
        code = _submit(options, options.request, tools)
    return code


def say(message: str) -> None:
    """A line for whoever started this."""
    print(f"experiments.py: {message}", file=sys.stderr, flush=True)


def _warn(request: Request) -> None:
    for line in request.idle_gpus():
        say(f"warning: {line}")


# `before` and `after`: what experiments.json holds around the numbers of jobs.
_DRY_SUBMIT = """\
jobs={jobs}

{submit_script}
# submit NAME SCRIPT: experiments.json gets the job's number, for --collect.
submit() {{
  job=$(submit_script "$2") || return
  job=${{job%%;*}}  # without the name of the cluster
  echo "$1: job $job"
  jobs="$jobs${{jobs:+, }}\\"$1\\": $job"
  printf '%s' {before} "$jobs" {after} >{state}
}}
"""


def _dry_run(options: Options, request: Request) -> str:
    """What a shell can run to do the same, without a look at what is complete."""
    there = _open(options, request)
    names = [experiment.name for experiment in request.experiments]
    kept = {} if options.fresh else {name: number for name, number in there.jobs.items()
                                     if name not in names}
    folder = Folder(options.out, request if options.fresh else there.request)
    before, after = folder.state_text().rsplit("{}", 1)
    jobs = [job_of(request, experiment, runs_of(request, experiment, options.dragon),
                   options.program) for experiment in request.experiments]
    scripts = [script_of(job, options.site, folder.runs) for job in jobs]
    text = f"{shlex.join(['mkdir', '-p', '--', str(folder.runs)])}\n" + _DRY_SUBMIT.format(
        submit_script=shell_function(scripts[0]),
        jobs=shlex.quote(json.dumps(kept)[1:-1]), before=shlex.quote(before + "{"),
        after=shlex.quote("}" + after), state=shlex.quote(str(folder.state)))
    for job, script in zip(jobs, scripts):
        path = shlex.quote(str(folder.script(job.name)))
        text += (f"\ncat >{path} <<'END OF THE SCRIPT'\n{script}END OF THE SCRIPT\n"
                 f"submit {job.name} {path}\n")
    return text


# --- Submitting


def _submit(options: Options, asked: Request, tools: Tools) -> int:
    folder = _open(options, asked)
    known = submit.states_of(list(folder.jobs.values()))
    if known is None:
        raise Error("squeue does not answer, so that nobody knows which jobs still run; try again "
                    "later")
    running = {name: known[number] for name, number in folder.jobs.items()
               if number in known and not known[number].is_over}
    if options.fresh and running:
        numbers = " ".join(str(folder.jobs[name]) for name in running)
        raise UsageError(f"--fresh: jobs of the experiments that are there are not over; scancel "
                         f"{numbers} ends them")
    jobs = _missing(folder, asked, options, tools, running)
    for job in jobs:
        submit.check_script(f"experiment {job.name}", script_of(job, options.site, folder.runs))
    if options.fresh:  # not before it is certain that new ones can be submitted
        folder.delete()
        folder = Folder(options.out, asked)
    _make(folder)
    interrupt_on_termination()
    _warn(asked)
    try:
        _submit_all(folder, jobs, options)
        return _wait(folder, asked, options)
    except KeyboardInterrupt:
        numbers = " ".join(map(str, folder.jobs.values()))
        say(f"jobs that were submitted go on; --collect --out {shlex.quote(str(folder.path))} "
            f"says what came back, and scancel {numbers} ends them")
        raise


def _tools(options: Options, request: Request) -> Tools:
    """Raises UnsupportedError where something is missing that the jobs would need."""
    tools = find_tools(options.program, with_baseline=request.with_baseline)
    if any(experiment.nodes * request.ranks_per_node > 1 for experiment in request.experiments):
        _check_mpi(tools.program)
    if request.with_baseline:
        with importing():
            from convscale.dragon_runtime import find_runtime
        find_runtime(options.dragon)
    return tools


def _check_mpi(program: Path) -> None:
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False, errors="replace",
                          env=without_rank(os.environ))
    if "without MPI" in done.stdout:
        raise UnsupportedError(f"{program}: was built without MPI, and can be one rank only; build "
                               "it where there is an MPI, or take --experiment 1x4 alone")


def _open(options: Options, asked: Request) -> Folder:
    """What is there, or what would be made. Changes nothing."""
    there = load_folder(options.out)
    if there is None:
        return Folder(options.out, asked)
    if not options.fresh:
        there.request = merged(there, asked)
    return there


def _make(folder: Folder) -> None:
    try:
        folder.runs.mkdir(parents=True, exist_ok=True)
        folder.save()
    except OSError as error:
        raise _no_folder(folder.path, error) from error


def _no_folder(path: Path, error: OSError) -> Error:
    return Error(f"--out {path}: {error.strerror or error}; give a folder that can be made and "
                 "written")


def _missing(folder: Folder, asked: Request, options: Options, tools: Tools,
             running: Mapping[str, submit.State]) -> list[Job]:
    """A job for each experiment with runs whose results are not there and not on their way."""
    jobs = []
    for experiment in asked.experiments:
        name = experiment.name
        if name in running:
            say(f"{name}: job {folder.jobs[name]} is {running[name]}")
            continue
        runs = [run for run in runs_of(asked, experiment, options.dragon)
                if options.fresh
                or not _is_complete(results_if_whole(folder.results(run.name)), run, tools)]
        if not runs:
            say(f"{name}: complete")
            continue
        jobs.append(job_of(asked, experiment, runs, tools.program))
    return jobs


def _is_complete(document: Optional[Document], run: Run, tools: Tools) -> bool:
    """Whether its results may be kept: whole, right, and of this command and program."""
    if document is None or document.is_interrupted:
        return False
    program = document.raw.get("program") or {}
    argv = program.get("argv")
    if not isinstance(argv, list) or [*argv[1:]] != [*run.args, "--json", run.results]:
        return False
    version = (tools.baseline, None) if run.tool == BASELINE else (tools.version, tools.git)
    if (program.get("version"), program.get("git")) != version:
        return False
    return bool(document.records) and all(record.is_measured for record in document.records)


def _submit_all(folder: Folder, jobs: Sequence[Job], options: Options) -> None:
    for job in jobs:
        for launch in job.launches:
            (folder.runs / launch.results).unlink(missing_ok=True)
        for old in (folder.output(job.name), folder.runs / f"{job.name}.exit"):
            old.unlink(missing_ok=True)
        write_text(folder.script(job.name), script_of(job, options.site, folder.runs))
        try:
            number = submit.submit(folder.script(job.name))
        except Error as error:
            others = [name for name in folder.jobs if name != job.name]
            tail = f"; these are submitted: {', '.join(others)}" if others else ""
            raise Error(f"{error}{tail}") from error
        folder.jobs[job.name] = number
        folder.save()
        say(f"{job.name}: submitted as job {number}")


# --- Waiting and collecting


def _wait(folder: Folder, asked: Request, options: Options) -> int:
    numbers = {folder.jobs[experiment.name]: experiment for experiment in asked.experiments
               if experiment.name in folder.jobs}
    if not options.wait:
        states = submit.states_of(list(numbers)) or {}
        if any(not state.is_over for state in states.values()):
            say(f"--collect --out {shlex.quote(str(folder.path))} says what came back")
            return OK
        return _collect(folder)
    submit.wait_for(list(numbers), lambda number, state: say(
        f"{numbers[number].name}: job {number} is {state}"))
    _wait_for_files(folder, asked.experiments)
    return _collect(folder)


def _wait_for_files(folder: Folder, experiments: Sequence[Experiment]) -> None:
    """A shared folder may show late what nodes wrote. A job that was killed writes no more."""
    deadline = time.monotonic() + _GRACE_S
    names = [experiment.name for experiment in experiments]
    while time.monotonic() < deadline and not all(map(folder.exit_codes, names)):
        time.sleep(0.2)


def _collect(folder: Folder) -> int:
    with suppress(UnsupportedError):
        submit.check_commands()
    outcomes = outcomes_of(folder, submit.states_of(list(folder.jobs.values())))
    document = document_of(outcomes, folder.jobs)
    write_text(folder.path / "results.json", json.dumps(document, indent=2) + "\n")
    write_text(folder.path / "report.md", markdown(outcomes))
    print(table_text(outcomes), end="")
    for outcome in outcomes:
        if outcome.problem is not None:
            say(f"{outcome.run.name}: {outcome.problem}")
    say(f"wrote results.json and report.md in {folder.path}")
    return exit_code(outcomes)
