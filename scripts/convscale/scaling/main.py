# SPDX-License-Identifier: Apache-2.0
"""scaling.py from its options to its exit code."""
from __future__ import annotations

import os
import sys
from typing import Sequence

from convscale.cli import Error, interrupt_on_termination
from convscale.scaling.collect import collect
from convscale.scaling.folder import Folder, State, load_state, open_folder
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
    return _sweep(options)


def _dry_run(options: Options) -> str:
    steps, folder = make_steps(options.request), Folder(options.out)
    if options.placement.kind == SLURM:
        return dry_jobs(steps, folder, options.program, options.placement)
    return dry_run(steps, folder, options.program, launcher_of(options.placement, check=False))


def _sweep(options: Options) -> int:
    # Needs matplotlib, which is better missed before anything is measured.
    from convscale.scaling.write import write_outputs
    tools = None if options.report_only else find_tools(
        options.program, with_baseline=bool(options.request.baseline))
    launcher = launcher_of(options.placement)
    if options.placement.kind == SLURM:
        check_commands()
    if tools is not None:
        check_kernels(tools, options.request)
    try:
        if tools is not None and (options.fresh or options.placement.kind != SLURM):
            check_no_jobs(Folder(options.out), load_state(Folder(options.out)))
        folder, request = open_folder(options.out,
                                      None if options.report_only else options.request,
                                      options.fresh)
    except OSError as error:
        raise Error(f"--out {options.out}: {error.strerror or error}; give a folder that "
                           "can be made and written") from error
    steps = make_steps(request)
    state = load_state(folder)
    if tools is not None:
        _measure(steps, folder, tools, state, options, launcher)
    sweep = collect(request, steps, folder, state)
    write_outputs(sweep, folder, state)
    say(f"wrote {folder.path / 'index.html'}, report.md, results.json and "
        f"{len(state.plots)} plots")
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
