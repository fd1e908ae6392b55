# SPDX-License-Identifier: Apache-2.0
"""Plots: ticks, labels, colours, and SVG that is whole, plain and reproducible."""
from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from convscale.plots.draw import draw, shorten, text_width, wrap, y_range
from convscale.plots.model import Axis, Chart, Line, Mark, Panel, Point
from convscale.plots.style import BACKGROUND, COLOURS, INK, MUTED, SERIES, series_style, stylesheet
from convscale.plots.ticks import linear_ticks, log_ticks, plain, spread, thin

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


def test_svg_refers_to_nothing_outside() -> None:
    svg = draw(chart()).standalone()
    assert set(re.findall(r"https?://[^\"]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert "xlink" not in svg and "<metadata" not in svg and "<script" not in svg


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


def test_the_style_sheet_is_in_the_file_and_not_in_the_page() -> None:
    plot = draw(chart())
    assert "<style>" in plot.standalone() and "<style>" not in plot.inline()


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


def test_users_settings_do_not_change_a_plot() -> None:
    import matplotlib
    before = draw(chart()).standalone()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        assert draw(chart()).standalone() == before


@pytest.mark.parametrize("lines", [[], [Line("only", [1], [1.0], series_style(0))],
                                   [Line("equal", [1, 2], [5.0, 5.0], series_style(0))]])
@pytest.mark.parametrize("log", [False, True])
def test_nothing_to_span_is_drawn_all_the_same(lines: list[Line], log: bool) -> None:
    plot = draw(Chart("x", "title", "", Axis("x", log), [Panel(Axis("y", log), lines)]))
    assert "nan" not in plot.body.lower().replace("nand", "")
    ElementTree.fromstring(plot.standalone())


def test_everything_lies_inside_the_picture() -> None:
    labels = [f"a kernel with a long name, resident {i}" for i in range(20)]
    lines = [Line(label, [1, 10], [1.0, 1.0 + i / 100], series_style(i))
             for i, label in enumerate(labels)]
    plot = draw(Chart("x", "A title " * 20, "", Axis("x", True), [Panel(Axis("y", True), lines)]))
    ends = []
    for element in ElementTree.fromstring(plot.standalone()).iter(f"{SVG}text"):
        where = re.search(r"translate\(([-0-9.]+) ([-0-9.]+)\)", element.get("transform") or "")
        x, y = (float(where[1]), float(where[2])) if where else (
            float(element.get("x") or 0), float(element.get("y") or 0))
        width = text_width(element.text or "", float(element.get("font-size") or 0),
                           element.get("font-weight") is not None)
        width = 0 if "end" in (element.get("style") or "") else width
        width = width / 2 if "middle" in (element.get("style") or "") else width
        assert 0 <= x and x + width <= plot.width + 1, element.text
        assert 0 <= y <= plot.height, element.text
        if (element.text or "").startswith("a kernel"):
            ends.append(y)
    assert len(ends) == 20
    gaps = [b - a for a, b in zip(sorted(ends), sorted(ends)[1:])]
    assert min(gaps) >= 15  # labels do not lie on each other


def luminance(colour: str) -> float:
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4)
              for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [INK, MUTED, *SERIES], ids=lambda colour: str(colour.name))
def test_text_can_be_read_in_both_schemes(colour: object) -> None:
    for form in ("light", "dark"):
        assert contrast(getattr(colour, form), getattr(BACKGROUND, form)) >= 4.5


def test_each_colour_is_one() -> None:
    for form in ("light", "dark"):
        assert len({getattr(colour, form) for colour in COLOURS}) == len(COLOURS)
    assert all(f".f-{colour.name}{{" in stylesheet() for colour in COLOURS)


def test_many_series_look_different() -> None:
    assert len({series_style(index) for index in range(60)}) == 60


@pytest.mark.parametrize("value, text", [
    (1, "1"), (0.5, "0.5"), (0.001, "0.001"), (0.00002, "0.00002"), (5000, "5000"), (0, "0"),
    (20000, "20\u202f000"), (1000000, "1\u202f000\u202f000"), (3e9, "3e+09"), (0.1 + 0.2, "0.3")])
def test_numbers_on_axes_are_plain(value: float, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize("low, high, values", [
    (1, 10, [1, 2, 5, 10]), (0.9, 1100, [1, 3, 10, 30, 100, 300, 1000]),
    (1e-3, 1e3, [1e-3, 1e-2, 1e-1, 1, 10, 100, 1000]), (2, 4.9, [2, 3, 4])])
def test_log_ticks(low: float, high: float, values: list[float]) -> None:
    assert [value for value, _ in log_ticks(low, high)] == pytest.approx(values)


def test_ticks_are_few_over_any_range() -> None:
    for exponent in range(1, 40):
        found = log_ticks(1e-9, 1e-9 * 10**exponent)
        assert 2 <= len(found) <= 7
    for high in (1e-9, 0.3, 1, 7, 12345, 1e15):
        assert 3 <= len(linear_ticks(0, high)) <= 8


def test_thin_keeps_the_ends_and_drops_what_has_no_room() -> None:
    ticks = [(float(i), str(i)) for i in range(5)]
    assert thin(ticks, [0, 5, 50, 95, 100], [10] * 5, 4) == [ticks[0], ticks[2], ticks[4]]
    assert thin([], [], [], 4) == []
    assert thin(ticks[:1], [0], [10], 4) == ticks[:1]


def test_spread_keeps_order_gap_and_bounds() -> None:
    places = spread([50, 50, 52, 10, 99], 10, 0, 100)
    assert sorted(places) == [places[3], *sorted([places[0], places[1], places[2]]), places[4]]
    ordered = sorted(places)
    assert min(b - a for a, b in zip(ordered, ordered[1:])) >= 10 - 1e-9
    assert min(places) >= 0 and max(places) <= 100
    assert spread([30, 70], 10, 0, 100) == [30, 70]  # what has room stays


def test_words_are_wrapped_and_names_shortened() -> None:
    lines = wrap("many words " * 10, 16, 200)
    assert len(lines) > 2 and all(text_width(line, 16) <= 200 for line in lines)
    short = shorten("a-name-of-sixty-letters-" * 3, 13, 100)
    assert "…" in short and text_width(short, 13) <= 100
    assert (short[:3], short[-3:]) == ("a-n", "rs-")  # what tells names apart may be at either end
    assert len({shorten(f"{'x' * 90}-{i}", 13, 100) for i in range(9)}) == 9
    assert shorten("short", 13, 100) == "short"


def test_no_label_hides_a_line() -> None:
    roof = Line("roof", [1, 10, 100], [1.0, 10.0, 10.0], series_style(0))
    points = [Point("on the roof", 5, 5.0, series_style(1)),
              Point("near it", 5, 4.9, series_style(2))]
    svg = draw(Chart("x", "t", "", Axis("x", True), [
        Panel(Axis("y", True), [roof], points, [Mark(5, "marked")])])).body
    boxes = [match.start() for match in re.finditer(rf'class="f-{BACKGROUND.name}"', svg)]
    line = svg.index(f's-{SERIES[0].name}')
    assert len(boxes) >= 3 and max(boxes[:3]) < line


def test_axes_reach_around_spread_and_required_values() -> None:
    line = Line("a", [1], [2.0], series_style(0), [(0.5, 9.0)])
    low, high = y_range(Panel(Axis("y", True), [line]))
    assert low < 0.5 and high > 9
    low, high = y_range(Panel(Axis("y", False, from_zero=True, at_least=20.0), [line]))
    assert low == 0 and high > 20 and math.isfinite(high)
