# SPDX-License-Identifier: Apache-2.0
"""The table of experiments, for a terminal and as Markdown."""
from __future__ import annotations

from typing import Callable, NamedTuple, Optional, Sequence

from convscale.model.published import POINTS
from convscale.results import Record
from convscale.scaling.numbers import percent_text, rate_text, ratio_text, time_text
from convscale.slurm.collect import Outcome
from convscale.slurm.options import ORIGINAL, Experiment
from convscale.text import (IMPOSSIBLE_NOTE, escape_markdown, fraction_text, is_impossible,
                            printable)

_KERNELS = {"multiprocessing": "scipy-spawn", "Dragon 0.3": "scipy-dragon"}
# By kernel and experiment.
PUBLISHED = {(_KERNELS[point.runtime], f"{point.nodes}x{point.num_workers}"): point
             for point in POINTS}
SOURCE = ("published: means of 10 iterations after 2 burns, of zeros, by Dragon 0.3 on a Cray "
          "XC-50 with Xeon Platinum 8176, 28 cores a node, in Dragon's documentation (SciPy Image "
          "Convolution Benchmark)")


class _Row(NamedTuple):
    experiment: Experiment
    record: Record
    dragon: Optional[Record]  # that of the same experiment, of the same workload


class _Column(NamedTuple):
    title: str
    cell: Callable[[_Row], str]
    is_text: bool = False


def table_text(outcomes: Sequence[Outcome]) -> str:
    """For a terminal; empty where nothing was measured."""
    rows = _rows(outcomes)
    columns = _columns(rows)
    if not rows:
        return ""
    cells = [[column.title for column in columns],
             *([column.cell(row) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(text.ljust(width) if column.is_text else text.rjust(width)
                       for text, width, column in zip(line, widths, columns)).rstrip()
             for line in cells]
    return "\n".join([*lines, *(f"\n{note}" for note in _notes(columns, rows))]) + "\n"


def markdown(outcomes: Sequence[Outcome]) -> str:
    """A page with the table and with what is missing."""
    rows = _rows(outcomes)
    columns = _columns(rows)
    parts = ["# The original's experiments"]
    if rows:
        lines = [_line([column.title for column in columns]),
                 "|" + "|".join("---" if column.is_text else "---:" for column in columns) + "|",
                 *(_line([column.cell(row) for column in columns]) for row in rows)]
        parts += ["\n".join(lines), *(escape_markdown(note) for note in _notes(columns, rows))]
    missing = [f"* {escape_markdown(f'{outcome.run.name}: {outcome.problem}')}"
               for outcome in outcomes if outcome.problem is not None]
    if missing:
        parts += ["## What is missing", "\n".join(missing)]
    return "\n\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(cell) for cell in cells) + " |"


def _rows(outcomes: Sequence[Outcome]) -> list[_Row]:
    measured = [(outcome.experiment, record) for outcome in outcomes if outcome.document
                for record in outcome.document.records if record.is_measured]
    dragons = {(experiment.name, record.workload): record for experiment, record in measured
               if record.raw["kernel"] == "scipy-dragon"}
    return [_Row(experiment, record, dragons.get((experiment.name, record.workload)))
            for experiment, record in measured]


def _columns(rows: Sequence[_Row]) -> list[_Column]:
    columns = [
        _Column("nodes", lambda row: str(row.experiment.nodes)),
        _Column("workers", lambda row: str(row.record.num_workers)),
        _Column("images", lambda row: str(row.record.images)),
        _Column("size", lambda row: row.record.size),
        _Column("kernel", lambda row: printable(str(row.record.raw["kernel"])), True),
        _Column("method", lambda row: printable(str(row.record.raw["method"])), True),
        _Column("distribute", lambda row: printable(row.record.distribute or "-"), True),
        _Column("median", lambda row: time_text(row.record.median_s)),
        _Column("cv", lambda row: percent_text(row.record.raw.get("cv"))),
        _Column("images/s", lambda row: rate_text(row.record.raw.get("images_per_s"))),
        _Column("of bound", lambda row: fraction_text(
            (row.record.raw["bound"] or {}).get("fraction"))),
        _Column("communication", lambda row: percent_text(
            row.record.raw.get("communication_share"))),
        _Column("slowest", _slowest, True)]
    if any(row.dragon for row in rows):
        columns.append(_Column("against Dragon", _against_dragon))
    if any(_published(row) for row in rows):
        columns.append(_Column("published", _published))
    return [column for column in columns if column.title not in
            ("distribute", "communication", "slowest")
            or any(column.cell(row) != "-" for row in rows)]


def _slowest(row: _Row) -> str:
    """The host of the slowest rank, and how much longer it took than the fastest."""
    slowest, fastest = (row.record.raw.get(name) for name in ("slowest_rank", "fastest_rank"))
    if not slowest or not fastest or not slowest.get("run_s") or not fastest.get("run_s"):
        return "-"
    more = slowest["run_s"] / fastest["run_s"] - 1
    return f"{printable(slowest.get('host') or 'an unknown host')} (+{percent_text(more)})"


def _against_dragon(row: _Row) -> str:
    return "-" if row.dragon is None else ratio_text(row.dragon.median_s / row.record.median_s)


def _published(row: _Row) -> str:
    """What the original printed for this kernel, where the work is the same as there."""
    experiment = ORIGINAL.get(row.experiment.name)
    known = PUBLISHED.get((str(row.record.raw["kernel"]), row.experiment.name))
    if known is None or experiment != row.experiment:
        return ""
    return f"{known.average_s:g} s \N{PLUS-MINUS SIGN} {known.std_s:g}"


def _notes(columns: Sequence[_Column], rows: Sequence[_Row]) -> list[str]:
    titles = [column.title for column in columns]
    notes = [IMPOSSIBLE_NOTE] if any(is_impossible(
        (row.record.raw["bound"] or {}).get("fraction")) for row in rows) else []
    notes += ["against Dragon: how many times as fast"] if "against Dragon" in titles else []
    return notes + ([SOURCE] if "published" in titles else [])
