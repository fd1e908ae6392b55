# SPDX-License-Identifier: Apache-2.0
"""A heat map as a plot and as Markdown: words and cells, before anything is drawn."""
from __future__ import annotations

import shlex
import textwrap

from convscale.heatmap.cells import COMPUTE, Figures, Place
from convscale.plots.model import Cell, Grid, HeatMap
from convscale.scaling.numbers import plural
from convscale.text import (IMPOSSIBLE_NOTE, escape_markdown, is_impossible, markdown_table,
                            printable)

_COLUMNS = 80  # of Markdown
_MARK = "c"  # behind figures whose limit is COMPUTE


def chart_of(figures: Figures, name: str) -> HeatMap:
    """`figures` have a measured cell at least. A row of grids for each type, a method beside the
    other, with fewer strides first."""
    methods = sorted(figures.methods, key=lambda method: len(figures.strides[method]))
    notes = []
    if not _is_full(figures):
        notes.append("Blank: no figure; the tables beside this plot say why.")
    if _has_impossible(figures):
        notes.append(IMPOSSIBLE_NOTE)
    return HeatMap(name, title_of(figures), "; ".join(facts_of(figures)),
                   [[_grid(figures, method, dtype) for method in methods]
                    for dtype in figures.dtypes],
                   "filter K", "stride S", "fraction of the bound", limits_text(figures), notes)


def _grid(figures: Figures, method: str, dtype: str) -> Grid:
    sizes, strides = figures.filter_sizes, figures.strides[method]
    cells = {}
    for row, size in enumerate(sizes):
        for column, stride in enumerate(strides):
            figure = figures.cells.get(Place(method, dtype, size, stride))
            if figure is not None:
                value = None if is_impossible(figure.fraction) else figure.fraction
                cells[row, column] = Cell(value, figure.text, figure.limit == COMPUTE)
    return Grid(printable(f"{method}, {dtype}"), list(map(str, sizes)), list(map(str, strides)),
                cells)


def _is_full(figures: Figures) -> bool:
    return len(figures.cells) == sum(
        len(figures.filter_sizes) * len(figures.strides[method]) * len(figures.dtypes)
        for method in figures.methods)


def _has_impossible(figures: Figures) -> bool:
    return any(is_impossible(figure.fraction) for figure in figures.cells.values())


def title_of(figures: Figures) -> str:
    kernels = " and ".join(dict.fromkeys(
        printable(str(record.raw["kernel"])) for record in figures.measured))
    return f"How near {kernels} comes to the bound, by filter size and stride"


def facts_of(figures: Figures) -> list[str]:
    """Program, machine, day and workload."""
    raw, record = figures.document.raw, figures.measured[0]
    program, host = raw.get("program") or {}, raw.get("host") or {}
    name = " ".join(str(program[part]) for part in ("name", "version") if program.get(part))
    git = f" (git {program['git']})" if program.get("git") else ""
    cores = f", {plural(host['cores'], 'core')}" if host.get("cores") else ""
    iterations = dict.fromkeys(len(one.times_s) for one in figures.measured)
    return list(map(printable, [
        f"{name or 'an unknown program'}{git}",
        f"{host.get('cpu') or host.get('name') or 'an unknown machine'}{cores}, "
        f"{plural(record.num_workers, 'worker')}",
        str(raw.get("started_at") or "")[:10] or "an unknown day",
        f"{plural(record.images, 'image')} of {record.size}",
        "medians of " + " or ".join(map(str, sorted(iterations))) + " iterations",
        *_ceilings(figures)]))


def _ceilings(figures: Figures) -> list[str]:
    """What memory gave the runs: where it varies, so do the fractions, whatever the kernel does."""
    rates = [rate / 1e9 for record in figures.measured
             if (rate := record.raw["bound"].get("read_bytes_per_s"))]
    if not rates:
        return []
    least, most = f"{min(rates):.0f}", f"{max(rates):.0f}"
    return [f"read ceilings of {least if least == most else f'{least} to {most}'} GB/s"]


def limits_text(figures: Figures) -> str:
    """What a mark means, and what no mark does; empty where nothing is marked."""
    if all(figure.limit != COMPUTE for figure in figures.cells.values()):
        return ""
    others = " or ".join(map(printable, figures.limits))
    return f"limited by {COMPUTE}" + (f"; unmarked: by {others}" if others else "")


def markdown_of(figures: Figures, plot: str) -> str:
    """The same as text, with the tables; `plot` is the file of the drawing beside it."""
    title = title_of(figures)
    raw = figures.document.raw
    argv = (raw.get("program") or {}).get("argv") or []
    parts = [f"# {escape_markdown(title)}", _bullets(facts_of(figures)),
             f"![{escape_markdown(title)}]({plot.replace(' ', '%20')})",
             _prose(_legend(figures))]
    if argv:
        parts.append(f"    {printable(shlex.join(argv))}")
    for method in figures.methods:
        for dtype in figures.dtypes:
            parts += [f"## {escape_markdown(f'{method}, {dtype}')}", _table(figures, method, dtype)]
    for heading, lines in (("Blank", figures.blanks), ("What is missing", figures.problems),
                           ("Warnings", figures.warnings)):
        parts += [f"## {heading}", _bullets(lines)] if lines else []
    return "\n\n".join(parts) + "\n"


def _legend(figures: Figures) -> str:
    text = ("Fractions of the bound: the least time that the hardware allows, over the median. "
            "Filters are K x K; of every S-th row and column of the result, one is kept.")
    if any(figure.limit == COMPUTE for figure in figures.cells.values()):
        text += f" {_MARK}: {limits_text(figures)}."
    if _has_impossible(figures):
        text += f" {IMPOSSIBLE_NOTE}."
    return text


def _table(figures: Figures, method: str, dtype: str) -> str:
    strides = figures.strides[method]
    rows = [[str(size), *(_text(figures, Place(method, dtype, size, stride))
                          for stride in strides)] for size in figures.filter_sizes]
    return markdown_table(["K", *(f"S {stride}" for stride in strides)], rows, 0)


def _text(figures: Figures, place: Place) -> str:
    figure = figures.cells.get(place)
    if figure is None:
        return ""
    return f"{figure.text} {_MARK}" if figure.limit == COMPUTE else figure.text


def _bullets(lines: list[str]) -> str:
    return "\n".join(_prose(line, "* ", "  ") for line in lines)


def _prose(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(escape_markdown(text), _COLUMNS, initial_indent=first,
                         subsequent_indent=others, break_long_words=False, break_on_hyphens=False)
