# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML page that needs nothing else: no script, no network, light and dark."""
from __future__ import annotations

from html import escape
from typing import Sequence

from convscale.plots.style import BACKGROUND, FONT_FAMILY, GRID, INK, MUTED, SERIES, stylesheet
from convscale.plots.svg import Svg
from convscale.scaling.report import Report
from convscale.scaling.tables import Table, column_alignments

_ROLES = {"bg": BACKGROUND, "ink": INK, "muted": MUTED, "line": GRID, "accent": SERIES[0],
          "warn": SERIES[1]}
_LAYOUT = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:24px 16px 64px;max-width:960px;background:var(--bg);color:var(--ink);
 font-size:16px;line-height:1.5;overflow-wrap:anywhere}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 16px}
h2{font-size:1.25rem;margin:40px 0 8px}
h3{font-size:1rem;margin:24px 0 8px}
ul{margin:0;padding-left:1.2em}
li{margin:4px 0}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:4px 16px;margin:0}
dt{color:var(--muted)}
dd{margin:0}
.problems,.warnings{border-left:4px solid var(--warn);padding-left:1.9em}
figure{margin:24px 0 40px}
.plot{overflow-x:auto}
.plot svg{display:block;width:100%;min-width:340px;max-width:660px;height:auto}
figcaption{color:var(--muted);font-size:.9rem;max-width:660px;margin-top:4px}
.table{overflow-x:auto}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:left;vertical-align:top;overflow-wrap:normal}
th{color:var(--muted);font-weight:400;border-bottom:1px solid var(--muted);vertical-align:bottom}
td{border-bottom:1px solid var(--line)}
td:not(.wrap){white-space:nowrap}
td.wrap{min-width:18em}
.right{text-align:right}
footer{color:var(--muted);font-size:.875rem;margin-top:48px}
"""


def page(report: Report, plots: Sequence[Svg]) -> str:
    parts = [f"<h1>{escape(report.title)}</h1>", "<dl>",
             *(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in report.facts),
             "</dl>"]
    parts += _bullets("What was found", report.findings, "findings")
    parts += _bullets("What is missing", report.problems, "problems")
    parts += _bullets("Warnings", report.warnings, "warnings")
    if plots:
        parts.append("<h2>Plots</h2>")
    parts += [f'<figure><div class="plot">{plot.inline()}</div>'
              f"<figcaption>{escape(plot.caption)}</figcaption></figure>" for plot in plots]
    if report.tables:
        parts.append("<h2>Tables</h2>")
    for table in report.tables:
        parts += [f"<h3>{escape(table.title)}</h3>", _table(table)]
    parts.append("<footer>All samples are in results.json, beside this page.</footer>")
    return _HEAD.format(title=escape(report.title), style=_style()) + "\n".join(parts) + (
        "\n</body>\n</html>\n")


_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
"""


def _style() -> str:
    def variables(form: str) -> str:
        return ":root{" + ";".join(f"--{name}:{getattr(colour, form)}"
                                   for name, colour in _ROLES.items()) + "}"
    return (f"{variables('light')}@media screen and (prefers-color-scheme:dark){{"
            f"{variables('dark')}}}{_LAYOUT}body{{font-family:{FONT_FAMILY}}}\n{stylesheet()}")


def _bullets(title: str, lines: Sequence[str], name: str) -> list[str]:
    if not lines:
        return []
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return [f"<h2>{title}</h2>", f'<ul class="{name}">{items}</ul>']


def _table(table: Table) -> str:
    sides = column_alignments(table)

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(f"<{tag}{_cell_class(side, text, tag)}>{escape(text)}</{tag}>"
                       for side, text in zip(sides, texts))
    rows = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in table.rows)
    return (f'<div class="table"><table><thead><tr>{cells("th", table.header)}</tr></thead>\n'
            f"<tbody>\n{rows}</tbody></table></div>")


def _cell_class(side: str, text: str, tag: str) -> str:
    names = (["right"] if side == "right" else []) + (
        ["wrap"] if tag == "td" and len(text) > 40 else [])
    return f' class="{" ".join(names)}"' if names else ""
