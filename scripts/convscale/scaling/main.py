# SPDX-License-Identifier: Apache-2.0
"""scaling.py from its options to its exit code."""
from __future__ import annotations

import errno
import importlib
import os
import sys
from contextlib import ExitStack
from typing import Sequence

from convscale.cli import Error, interrupt_on_termination
from convscale.lock import InUse, only_one
from convscale.packages import importing
from convscale.scaling.collect import Sweep, collect
from convscale.scaling.folder import (Folder, State, load_state, open_folder, reported_request,
                                      stored_request)
from convscale.scaling.jobs import check_no_jobs, dry_jobs, run_jobs
from convscale.scaling.launch import Launcher, launcher_of, say
from convscale.scaling.options import Options, parse_options
from convscale.scaling.placement import SLURM
from convscale.scaling.plan import Step, check_plan, make_steps
from convscale.scaling.runs import (Tools, check_kernels, dry_run, exit_code, find_tools,
                                    run_steps)
from convscale.slurm.submit import check_commands


def main(args: Sequence[str]) -> int:
    options = parse_options(args)
    if not options.report_only:
        check_plan(options.request, options.yes)
    if options.dry_run:
        sys.stdout.buffer.write(os.fsencode(_dry_run(options)))  # names of files may hold anything
        return 0
    return _report(options) if options.report_only else _sweep(options)


def _dry_run(options: Options) -> str:
    steps, folder = make_steps(options.request), Folder(options.out)
    if options.placement.kind == SLURM:
        return dry_jobs(steps, folder, options.program, options.placement)
    return dry_run(steps, folder, options.program, launcher_of(options.placement, check=False))


def _sweep(options: Options) -> int:
    # Needs matplotlib, which is better missed before anything is measured.
    with importing():
        importlib.import_module("convscale.scaling.write")
    tools = find_tools(options.program, with_baseline=bool(options.request.baseline))
    launcher = launcher_of(options.placement)
    if options.placement.kind == SLURM:
        check_commands()
    check_kernels(tools, options.request.backends, options.request.kernels)
    with ExitStack() as stack:
        try:
            stored_request(Folder(options.out))  # before anything is written into a stranger's
            stack.enter_context(only_one(options.out, "scaling.py"))
            if options.fresh or options.placement.kind != SLURM:
                check_no_jobs(Folder(options.out), load_state(Folder(options.out)))
            folder = open_folder(options.out, options.request, options.fresh)
        except OSError as error:
            raise Error(f"--out {options.out}: {error.strerror or error}; give a folder that can "
                        "be made and written") from error
        state = load_state(folder)
        steps = make_steps(options.request)
        _measure(steps, folder, tools, state, options, launcher)
        sweep = collect(options.request, steps, folder, state)
        code = _write(sweep, folder, state, is_ours=True)
    return code


def _report(options: Options) -> int:
    """Of what is there, also while a sweep is at work on more of it."""
    folder = Folder(options.out)
    request = reported_request(folder, options.given)
    with ExitStack() as stack:
        is_ours = False
        try:
            stack.enter_context(only_one(folder.path, "scaling.py --report-only",
                                         is_brief=True))
            is_ours = True
        except InUse as error:
            say(f"{error} (this reports what is there now)")
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
        state = load_state(folder)
        sweep = collect(request, make_steps(request), folder, state)
        code = _write(sweep, folder, state, is_ours)
    return code


def _write(sweep: Sweep, folder: Folder, state: State, is_ours: bool) -> int:
    with importing():
        from convscale.scaling.write import report_text, write_outputs
    if os.access(folder.path, os.W_OK):
        write_outputs(sweep, folder, state, is_ours)
        say(f"wrote {folder.path / 'index.html'}, report.md, results.json and "
            f"{len(state.plots)} plots")
    else:
        say(f"{folder.path} cannot be written; the report goes to standard output")
        sys.stdout.write(report_text(sweep))
    for line in sweep.problems:
        say(line)
    return exit_code(sweep.codes, any(record.is_measured for record in sweep.records))


def _measure(steps: Sequence[Step], folder: Folder, tools: Tools, state: State, options: Options,
             launcher: Launcher) -> None:
    interrupt_on_termination()
    try:
        if options.placement.kind == SLURM:
            run_jobs(steps, folder, tools, state, options.placement)
        else:
            run_steps(steps, folder, tools, state, launcher)
    except KeyboardInterrupt:
        say(f"what was measured stays in {folder.path}; the same command goes on with it")
        raise
