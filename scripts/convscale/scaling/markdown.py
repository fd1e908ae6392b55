# SPDX-License-Identifier: Apache-2.0
"""A report as Markdown, with the plots as files beside it."""
from __future__ import annotations

from typing import Sequence

from convscale.scaling.report import Report
from convscale.scaling.tables import Table, column_alignments
from convscale.text import escape_markdown as escape


def markdown(report: Report) -> str:
    parts = [f"# {escape(report.title)}", _table(["", ""], [[name, text] for name, text
                                                            in report.facts], ["left", "left"])]
    parts += _bullets("What was found", report.findings)
    parts += _bullets("What is missing", report.problems)
    parts += _bullets("Warnings", report.warnings)
    if report.charts:
        parts.append("## Plots")
    for chart in report.charts:
        parts += [f"### {escape(chart.title)}", f"![{escape(chart.title)}](plots/{chart.name}.svg)",
                  escape(chart.caption)]
    if report.tables:
        parts.append("## Tables")
    for table in report.tables:
        parts += [f"### {escape(table.title)}", _data_table(table)]
    return "\n\n".join(parts) + "\n"


def _bullets(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return [f"## {title}", "\n".join(f"* {escape(line)}" for line in lines)]


def _data_table(table: Table) -> str:
    return _table(table.header, table.rows, column_alignments(table))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]],
           alignments: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(escape(cell) for cell in cells) + " |"
    rule = "|" + "|".join("---:" if side == "right" else "---" for side in alignments) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])
