# SPDX-License-Identifier: Apache-2.0
"""A report as Markdown, with the plots as files beside it."""
from __future__ import annotations

from typing import Sequence

from convscale.scaling.report import Report
from convscale.text import escape_markdown as escape
from convscale.text import markdown_table


def markdown(report: Report) -> str:
    parts = [f"# {escape(report.title)}", markdown_table(["", ""], report.facts, 2)]
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
        parts += [f"### {escape(table.title)}",
                  markdown_table(table.header, table.rows, table.texts)]
    return "\n\n".join(parts) + "\n"


def _bullets(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return [f"## {title}", "\n".join(f"* {escape(line)}" for line in lines)]
