# SPDX-License-Identifier: Apache-2.0
"""Plots: ticks, labels, colours, and SVG that is whole, plain and reproducible."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from convscale.plots.draw import draw
from convscale.plots.model import Axis, Chart, Line, Mark, Panel, Point
from convscale.plots.style import COLOURS, series_style

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SVG = "{http://www.w3.org/2000/svg}"


def chart(name: str = "a-plot", title: str = "What <is> & \"seen\"") -> Chart:
    line = Line("scipy-forkserver $x$", [1, 2, 896], [3.0, 2.0, 1.0], series_style(0),
                [(2.0, 4.0), (1.5, 2.5), (0.9, 1.1)])
    return Chart(name, title, "caption", Axis("workers", True, [(1, "1"), (2, "2"), (896, "896")]),
                 [Panel(Axis("time, ms", True), [line], marks=[Mark(2, "here")]),
                  Panel(Axis("efficiency", False, from_zero=True),
                        points=[Point("a point", 2, 0.5, series_style(1))])])


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_svg_is_well_formed_and_its_labels_are_text() -> None:
    found = texts(draw(chart()).standalone())
    for label in ("What <is> & \"seen\"", "workers", "896", "time, ms", "scipy-forkserver $x$",
                  "here", "a point"):
        assert label in found


def test_svg_follows_the_scheme_and_has_colours_without_a_style_sheet() -> None:
    svg = draw(chart()).standalone()
    assert "prefers-color-scheme:dark" in svg
    assert not re.search(r'style="[^"]*#', svg)  # a style would win over the classes
    for element in ElementTree.fromstring(svg).iter():
        for name in ("fill", "stroke"):
            colour = element.get(name)
            if colour and colour.startswith("#"):
                role = next(one for one in COLOURS if one.light == colour)
                assert f"{name[0]}-{role.name}" in (element.get("class") or "").split()


def test_names_of_several_plots_do_not_collide() -> None:
    one, other = draw(chart("one")).inline(), draw(chart("other")).inline()
    names = [re.findall(r'\bid="([^"]*)"', svg) for svg in (one, other)]
    assert names[0] and not set(names[0]) & set(names[1])
    for svg, own in zip((one, other), names):
        for reference in re.findall(r'(?:href="|url\()#([^")]*)', svg):
            assert reference in own


def test_the_same_chart_gives_the_same_bytes_in_another_process() -> None:
    code = (f"import sys; sys.path[:0] = [{str(SCRIPTS)!r}, {str(Path(__file__).parent)!r}]\n"
            "from test_plots import chart, draw\n"
            "sys.stdout.write(draw(chart()).standalone())")
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True,
                          check=True)
    assert done.stdout == draw(chart()).standalone()


@pytest.mark.parametrize("lines", [[], [Line("only", [1], [1.0], series_style(0))],
                                   [Line("equal", [1, 2], [5.0, 5.0], series_style(0))]])
@pytest.mark.parametrize("log", [False, True])
def test_nothing_to_span_is_drawn_all_the_same(lines: list[Line], log: bool) -> None:
    plot = draw(Chart("x", "title", "", Axis("x", log), [Panel(Axis("y", log), lines)]))
    assert "nan" not in plot.body.lower().replace("nand", "")
    ElementTree.fromstring(plot.standalone())
