# SPDX-License-Identifier: Apache-2.0
"""Writes what a sweep's folder holds for its readers."""
from __future__ import annotations

import json

from convscale.cli import write_text
from convscale.plots.draw import draw
from convscale.scaling.collect import Sweep
from convscale.scaling.folder import Folder, State
from convscale.scaling.markdown import markdown
from convscale.scaling.page import page
from convscale.scaling.report import make_report


def write_outputs(sweep: Sweep, folder: Folder, state: State, is_ours: bool) -> None:
    """results.json, report.md, index.html and plots/; plots of an earlier report go. Unless the
    folder `is_ours`, its state and those plots are left to whoever is at work in it."""
    write_text(folder.path / "results.json", json.dumps(sweep.document, indent=2) + "\n")
    report = make_report(sweep)
    plots = [draw(chart) for chart in report.charts]
    folder.plots.mkdir(exist_ok=True)
    names = [f"{plot.name}.svg" for plot in plots]
    for name in set(state.plots) - set(names) if is_ours else ():
        (folder.plots / name).unlink(missing_ok=True)
    state.plots = names
    if is_ours:
        state.save(folder)  # before the files, so that --fresh knows of each
    for plot, name in zip(plots, names):
        write_text(folder.plots / name, plot.standalone())
    write_text(folder.path / "report.md", markdown(report))
    write_text(folder.path / "index.html", page(report, plots))


def report_text(sweep: Sweep) -> str:
    """The report as Markdown."""
    return markdown(make_report(sweep))
