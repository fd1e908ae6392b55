# SPDX-License-Identifier: Apache-2.0
"""heatmap.py from its options to its exit code."""
from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Sequence

from convscale.cli import (INTERRUPTED, OK, UsageError, check_writable, interrupt_on_termination,
                           write_text)
from convscale.heatmap.cells import Figures, figures_of
from convscale.heatmap.measure import BACKEND, Measured, make_steps, measure, say
from convscale.heatmap.options import Options, Request, parse_options
from convscale.heatmap.report import chart_of, markdown_of
from convscale.packages import importing
from convscale.results import load
from convscale.scaling.runs import check_kernels, exit_code, find_tools


def main(args: Sequence[str]) -> int:
    options = parse_options(args)
    # matplotlib takes long to load, and is better missed before anything is measured.
    with importing():
        importlib.import_module("convscale.plots.heat")
    if options.request is not None:
        return _measure(options, options.request, args)
    assert options.source is not None
    figures = figures_of(load(options.source))
    if not figures.cells:
        raise UsageError(f"{options.source}: no record has a fraction of the bound; give results "
                         "of the program that were measured without --work_time")
    _draw(figures, options.stem)
    return OK


def _measure(options: Options, request: Request, args: Sequence[str]) -> int:
    tools = find_tools(options.program, with_baseline=False)
    check_kernels(tools, [BACKEND], [request.kernel])
    path = Path(f"{options.stem}.json")
    for suffix in (".json", ".svg", ".md"):
        check_writable(Path(options.stem + suffix))
    interrupt_on_termination()
    measured = Measured(make_steps(request))

    def keep(is_whole: bool = False) -> None:
        """What would be lost, were this process killed."""
        write_text(path, json.dumps(measured.document(args, is_whole), indent=2) + "\n")

    is_interrupted = False
    try:
        measure(measured, tools, keep)
    except KeyboardInterrupt:
        is_interrupted = True
    keep(is_whole=not is_interrupted and len(measured.codes) == len(measured.steps))
    figures = figures_of(load(path))
    if figures.cells:
        _draw(figures, options.stem)
    else:
        say("nothing was measured, so nothing is drawn")
    for line in (*figures.blanks, *figures.problems):
        say(line)
    if is_interrupted:
        say(f"interrupted by a signal; what was measured is in {path}")
        return INTERRUPTED
    return exit_code(measured.codes, bool(figures.cells))


def _draw(figures: Figures, stem: str) -> None:
    from convscale.plots.heat import draw_heat
    name = Path(stem).name
    write_text(Path(f"{stem}.svg"), draw_heat(chart_of(figures, name)).standalone())
    write_text(Path(f"{stem}.md"), markdown_of(figures, f"{name}.svg"))
    say(f"wrote {stem}.svg and {stem}.md")
