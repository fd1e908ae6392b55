# SPDX-License-Identifier: Apache-2.0
"""scaling.py from its options to its exit code."""
from __future__ import annotations

import os
import sys
from typing import Sequence

from convscale.cli import Error, interrupt_on_termination
from convscale.scaling.collect import collect
from convscale.scaling.folder import Folder, State, load_state, open_folder
from convscale.scaling.launch import LocalLauncher, say
from convscale.scaling.options import Options, parse_options
from convscale.scaling.plan import Step, check_plan, make_steps
from convscale.scaling.runs import (Tools, check_kernels, dry_run, exit_code, find_tools,
                                    run_steps)


def main(args: Sequence[str]) -> int:
    options = parse_options(args)
    if not options.report_only:
        check_plan(options.request, options.yes)
    if options.dry_run:
        text = dry_run(make_steps(options.request), Folder(options.out), options.program)
        sys.stdout.buffer.write(os.fsencode(text))  # names of files may hold anything
        return 0
    return _sweep(options)


def _sweep(options: Options) -> int:
    # Needs matplotlib, which is better missed before anything is measured.
    from convscale.scaling.write import write_outputs
    tools = None if options.report_only else find_tools(
        options.program, with_baseline=bool(options.request.baseline))
    if tools is not None:
        check_kernels(tools, options.request)
    try:
        folder, request = open_folder(options.out,
                                      None if options.report_only else options.request,
                                      options.fresh)
    except OSError as error:
        raise Error(f"--out {options.out}: {error.strerror or error}; give a folder that "
                           "can be made and written") from error
    steps = make_steps(request)
    state = load_state(folder)
    if tools is not None:
        _measure(steps, folder, tools, state)
    sweep = collect(request, steps, folder, state)
    write_outputs(sweep, folder, state)
    say(f"wrote {folder.path / 'index.html'}, report.md, results.json and "
        f"{len(state.plots)} plots")
    for line in sweep.problems:
        say(line)
    return exit_code(sweep.codes, any(record.is_measured for record in sweep.records))


def _measure(steps: Sequence[Step], folder: Folder, tools: Tools, state: State) -> None:
    interrupt_on_termination()
    try:
        run_steps(steps, folder, tools, state, LocalLauncher())
    except KeyboardInterrupt:
        say(f"what was measured stays in {folder.path}; the same command goes on with it")
        raise
