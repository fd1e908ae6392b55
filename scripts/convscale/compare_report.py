# SPDX-License-Identifier: Apache-2.0
"""What compare.py shows: the same report as text, as Markdown and as JSON."""
from __future__ import annotations

import json
import math
import os
import textwrap
from dataclasses import dataclass
from typing import Any, Optional, Sequence, TextIO

import numpy as np

from convscale.compare_judge import Comparison, RankTest, Result, Verdict
from convscale.compare_match import Pair, part
from convscale.results import Document
from convscale.text import escape_markdown, printable, time_text
from convscale.vocabulary import CONFIGURATION, WORKLOAD

_TABLE = (Verdict.SLOWER, Verdict.FASTER, Verdict.SAME, Verdict.UNCLEAR)
_COLOURS = {"slower": "31", "lost": "31", "faster": "32", "unclear": "33"}
_WIDTH = 100  # of lines of words
_MOST_LINES = 10  # of one kind below the table


@dataclass(frozen=True)
class Report:
    files: list[tuple[str, str]]  # side, file and its program
    common: str  # what all rows share
    header: list[str]
    rows: list[list[str]]
    left: int  # so many columns are text, and flush left
    notes: list[str]
    summary: str
    failure: Optional[str]  # why --fail-slower fails
    warnings: list[str]


def arrange(result: Result) -> Report:
    tested = in_table(result)
    labels = _varying_labels(tested)
    fields = [c.pair.fields for c in tested]
    common = {label: text for label, text in (fields[0] if fields else {}).items()
              if label not in labels and (label, text) != ("ranks", "1")}
    uneven = len({(len(c.before_s), len(c.after_s)) for c in tested}) > 1
    header = ["verdict", *labels, *([result.rules.unit] if uneven else []), "before", "after",
              "change of time", "p", "delta"]
    rows = [[c.verdict.value, *(field.get(label, "") for label in labels),
             *([f"{len(c.before_s)}, {len(c.after_s)}"] if uneven else []), *_figures(c)]
            for c, field in zip(tested, fields)]
    every = "In all rows" if len(rows) > 1 else "The record"
    return Report(
        files=_files(result),
        common=f"{every}: {', '.join(f'{k} {v}' for k, v in common.items())}" if common else "",
        header=header, rows=rows, left=1 + len(labels), notes=_notes(result, tested),
        summary=summary_of(result), failure=_failure(result), warnings=result.warnings)


def in_table(result: Result) -> list[Comparison]:
    """Those that have a row, in the order of the rows."""
    return [c for c in result.comparisons if c.verdict in _TABLE]


def summary_of(result: Result) -> str:
    """Such as "3 faster, 1 slower, 8 same (in these runs)"."""
    shown = [f"{result.count(verdict)} {verdict.value}" for verdict in
             (Verdict.FASTER, Verdict.SLOWER, Verdict.SAME)]
    shown += [f"{result.count(verdict)} {verdict.value}" for verdict in
              (Verdict.UNCLEAR, Verdict.LOST) if result.count(verdict)]
    return ", ".join(shown) + ("" if result.rules.by_runs else " (in these runs)")


def _files(result: Result) -> list[tuple[str, str]]:
    return [(side, _described(document)) for side, documents in
            (("before", result.before), ("after", result.after)) for document in documents]


def _described(document: Document) -> str:
    program, host = part(document, "program"), part(document, "host")
    known = [" ".join(str(program[name]) for name in ("name", "version") if program.get(name)),
             f"git {program['git']}" if program.get("git") else "",
             f"on {host['name']}" if host.get("name") else "",
             str(document.raw.get("started_at") or "")]
    text = ", ".join(filter(None, known))
    return printable(f"{document.file} ({text})" if text else document.file)


def _varying_labels(comparisons: Sequence[Comparison]) -> list[str]:
    """The fields that tell the rows apart; the kernel always."""
    values: dict[str, set[str]] = {}
    labels = list(dict.fromkeys(label for c in comparisons for label in c.pair.fields))
    for label in labels:
        values[label] = {c.pair.fields.get(label, "") for c in comparisons}
    return [label for label in labels if label == "kernel" or len(values[label]) > 1]


# --- Figures


def _figures(comparison: Comparison) -> list[str]:
    test = comparison.test
    assert test is not None, "rows of the table were tested"
    return [time_text(float(np.median(comparison.before_s))),
            time_text(float(np.median(comparison.after_s))), change_text(test),
            p_text(test.adjusted_p), f"{test.delta:+.2f}"]


def change_text(test: RankTest) -> str:
    """ "+5.1 % [+3.9, +6.2]", of the time: + is slower."""
    low, high = test.ratio.low, test.ratio.high
    interval = (f" [{_percent(low)}, {_percent(high)}]" if low > 0 and math.isfinite(high) else
                " [unknown]")
    return f"{_percent(test.ratio.estimate)} %{interval}"


def _percent(ratio: float) -> str:
    percent = round(100 * (ratio - 1), 1) + 0.0  # never -0.0
    return f"{percent:+.1f}" if abs(percent) < 1000 else f"{percent:+.0f}"


def p_text(p: float) -> str:
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


# --- Lines below the table


def _notes(result: Result, tested: Sequence[Comparison]) -> list[str]:
    notes = []
    if tested:
        notes.append(_method(result, tested))
    if tested and not result.rules.by_runs:
        notes.append("One run a side: its iterations share pages and clocks, so a difference may "
                     "be the run's, not the program's; give several files a side to tell")
    reasons = [c.note for c in tested if c.note]
    for reason in dict.fromkeys(reasons):
        notes.append(f"Unclear ({reasons.count(reason)}): {reason}")
    labels = _varying_labels(result.comparisons)
    for verdict, name in ((Verdict.LOST, "Lost"), (Verdict.NEW, "New"),
                          (Verdict.UNMEASURED, "Not compared")):
        found = [c for c in result.comparisons if c.verdict is verdict]
        notes += [f"{name}: {_named(c, labels)}: {printable(c.note or '')}"
                  for c in found[:_MOST_LINES]]
        if len(found) > _MOST_LINES:
            notes.append(f"{name}: {len(found) - _MOST_LINES} more, which --json lists")
    unverified = sum((r.raw.get("verification") or {}).get("status") == "skipped"
                     for c in tested for r in c.pair.before + c.pair.after)
    if unverified:
        notes.append(f"{unverified} of the records compared were not verified")
    return notes


def _method(result: Result, tested: Sequence[Comparison]) -> str:
    rules = result.rules
    counts = {(len(c.before_s), len(c.after_s)) for c in tested}
    samples = ""
    if len(counts) == 1:
        m, n = counts.pop()
        samples = f"{m} {rules.unit} a side; " if m == n else f"{m} and {n} {rules.unit}; "
    of = f", p by Holm for {len(tested)} records" if len(tested) > 1 else ""
    return (f"{samples}Mann-Whitney{of}, alpha {rules.alpha:g}; a change under "
            f"{100 * rules.least_change:g} % is the same; intervals of "
            f"{100 * (1 - rules.alpha):g} %; delta is Cliff's")


def _named(comparison: Comparison, labels: Sequence[str]) -> str:
    fields = comparison.pair.fields
    return ", ".join(f"{label} {fields[label]}" for label in labels if label in fields)


def _failure(result: Result) -> Optional[str]:
    regressions = result.regressions
    if not regressions:
        return None
    slower = sum(c.verdict is Verdict.SLOWER for c in regressions)
    lost = len(regressions) - slower
    parts = [f"{slower} slower by more than {100 * (result.rules.fail_slower or 0):g} %"
             if slower else "", f"{lost} lost" if lost else ""]
    return f"Failed: {', '.join(filter(None, parts))}"


# --- The three forms


def in_colour(stream: TextIO) -> bool:
    return (stream.isatty() and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb")


def as_text(report: Report, colour: bool, width: int = _WIDTH) -> str:
    """`width` is that of lines of words; the table takes what it needs."""
    lines = [f"{side + ':':8}{file}" for side, file in report.files] + [""]
    if report.common:
        lines += textwrap.wrap(report.common, width, subsequent_indent="  ")
    if report.rows:
        lines += [*_aligned(report, colour), ""]
    for note in report.notes:
        lines += textwrap.wrap(note, width, subsequent_indent="  ")
    lines += [""] if report.notes else []
    lines.append(report.summary)
    if report.failure:
        lines.append(report.failure)
    return "\n".join(lines) + "\n"


def _aligned(report: Report, colour: bool) -> list[str]:
    table = [report.header, *report.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(report.header))]
    lines = []
    for row in table:
        cells = [cell.ljust(width) if column < report.left else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        if colour and row[0] in _COLOURS:
            cells[0] = f"\x1b[{_COLOURS[row[0]]}m{row[0]}\x1b[0m{cells[0].removeprefix(row[0])}"
        lines.append("  ".join(cells).rstrip())
    return lines


def as_markdown(report: Report) -> str:
    def row_of(cells: Sequence[str]) -> str:
        return f"| {' | '.join(escape_markdown(cell) for cell in cells)} |"

    lines = [f"### {escape_markdown(report.summary)}", ""]
    if report.failure:
        lines += [f"**{report.failure}**", ""]
    lines += [f"* {side}: {escape_markdown(file)}" for side, file in report.files] + [""]
    if report.common:
        lines += [escape_markdown(report.common), ""]
    if report.rows:
        rules = ["---" if column < report.left else "---:" for column in range(len(report.header))]
        lines += [row_of(report.header), f"| {' | '.join(rules)} |"]
        lines += [row_of(row) for row in report.rows] + [""]
    lines += [f"* {escape_markdown(note)}" for note in report.notes]
    lines += [f"* Warning: {escape_markdown(warning)}" for warning in report.warnings]
    return "\n".join(lines).rstrip() + "\n"


def as_json(result: Result) -> str:
    rules = result.rules
    regressions = set(map(id, result.regressions))
    document = {
        "format": "convscale-comparison", "schema_version": "1",
        "before": [document.file for document in result.before],
        "after": [document.file for document in result.after],
        "samples": rules.unit, "alpha": rules.alpha, "threshold": rules.least_change,
        "fail_slower": rules.fail_slower, "tests": result.tests,
        "summary": {verdict.value: result.count(verdict) for verdict in Verdict},
        "failed": bool(regressions), "warnings": result.warnings,
        "comparisons": [_value(c, id(c) in regressions) for c in result.comparisons]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _configuration(pair: Pair) -> dict[str, Any]:
    """The matched fields as the files have them; [before, after] where an ignored one differs."""
    before, after = (pair.before or pair.after)[0].raw, (pair.after or pair.before)[0].raw
    return {name: before.get(name) if before.get(name) == after.get(name) else
            [before.get(name), after.get(name)] for name in (*WORKLOAD, *CONFIGURATION)}


def _value(comparison: Comparison, regression: bool) -> dict[str, Any]:
    c, test = comparison, comparison.test
    known = test is not None and test.ratio.low > 0 and math.isfinite(test.ratio.high)
    return {
        **_configuration(c.pair), "verdict": c.verdict.value, "reason": c.note,
        "regression": regression, "before_s": c.before_s, "after_s": c.after_s,
        "before_median_s": float(np.median(c.before_s)) if c.before_s else None,
        "after_median_s": float(np.median(c.after_s)) if c.after_s else None,
        "ratio": test.ratio.estimate if test else None,
        "ratio_low": test.ratio.low if test and known else None,
        "ratio_high": test.ratio.high if test and known else None,
        "p": test.p if test else None, "adjusted_p": test.adjusted_p if test else None,
        "cliffs_delta": test.delta if test else None}
