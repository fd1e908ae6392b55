# SPDX-License-Identifier: Apache-2.0
"""Heat maps: which figure stands in which cell, how it is coloured and marked, and the tables."""
from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from heat_bench import (DTYPES, METHODS, SIZES, STRIDES, HeatBench, cell, cells, figures,
                        fraction_of, heat)
from scaling_model import document, skipped
from test_plots import texts

from convscale.heatmap.report import chart_of, markdown_of
from convscale.plots.heat import colour_of, draw_heat, luminance
from convscale.plots.model import Cell, Grid, HeatMap
from convscale.plots.style import COLOURS

__all__ = ["heat"]  # a fixture
SVG = "{http://www.w3.org/2000/svg}"


def plot(cells_of: dict[tuple[int, int], Cell], **other: object) -> str:
    grid = Grid("full, float64", ["1", "31"], ["1", "5"], cells_of)
    made = {"name": "a-map", "title": "What <is> & seen", "caption": "caption", "notes": [],
            "row_label": "filter K", "column_label": "stride S", "value_label": "fraction",
            "mark_label": "limited by compute", **other}
    return draw_heat(HeatMap(grids=[[grid, grid], [grid]], **made)).standalone()  # type: ignore


def test_each_figure_stands_in_its_cell(tmp_path: Path) -> None:
    chart = chart_of(figures(tmp_path, cells()), "x")
    assert [[grid.title for grid in row] for row in chart.grids] == [
        [f"{method}, {dtype}" for method in METHODS] for dtype in DTYPES]
    for row, dtype in zip(chart.grids, DTYPES):
        for grid, method in zip(row, METHODS):
            assert grid.rows == list(map(str, SIZES))
            assert grid.columns == list(map(str, STRIDES[method]))
            for i, size in enumerate(SIZES):
                for j, stride in enumerate(STRIDES[method]):
                    wanted = fraction_of(method, dtype, size, stride)
                    found = grid.cells[i, j]
                    assert found.value == pytest.approx(wanted)
                    assert (found.text, found.is_marked) == (f"{wanted:.2f}", size == 31)
    assert chart.mark_label == "limited by compute; unmarked: by memory"
    assert list(chart.notes) == []


def test_the_tables_are_those_of_the_plot(tmp_path: Path) -> None:
    text = markdown_of(figures(tmp_path, cells()), "x.svg")
    for method in METHODS:
        for dtype in DTYPES:
            table = text.split(f"## {method}, {dtype}\n\n")[1].split("\n\n")[0].splitlines()
            assert table[0] == "| K | " + " | ".join(f"S {one}" for one in STRIDES[method]) + " |"
            for size, line in zip(SIZES, table[2:]):
                mark = " c" if size == 31 else ""
                assert line == f"| {size} | " + " | ".join(
                    f"{fraction_of(method, dtype, size, stride):.2f}{mark}"
                    for stride in STRIDES[method]) + " |"
    assert "c: limited by compute; unmarked: by memory." in text.replace("\n", " ")
    assert max(map(len, text.splitlines())) <= 80
    assert "## Blank" not in text and "## Warnings" not in text


def test_who_where_and_when(tmp_path: Path) -> None:
    made = cells()
    made[3]["bound"]["read_bytes_per_s"] = 49.4e9
    found = figures(tmp_path, made, host={"name": "n1", "cpu": "made_up *CPU*", "cores": 2})
    chart = chart_of(found, "x")
    assert chart.title == "How near avx512 comes to the bound, by filter size and stride"
    assert chart.caption == ("convscale 9.9.9 (git abc); made_up *CPU*, 2 cores, 4 workers; "
                             "2030-01-02; 33 images of 1000x1000; medians of 5 iterations; "
                             "read ceilings of 49 to 120 GB/s")
    text = markdown_of(found, "x.svg")
    assert "* made\\_up \\*CPU\\*, 2 cores, 4 workers\n" in text
    assert f"![{chart.title}](x.svg)" in text and "\n    convscale -w 2\n" in text


def test_a_file_that_says_little_is_drawn(heat: HeatBench) -> None:
    raw = document(cells())
    del raw["program"], raw["host"], raw["started_at"]
    heat.keep(raw)
    heat.run(0, "--from", str(heat.file(".json")))
    assert ("* an unknown program\n* an unknown machine, 4 workers\n* an unknown day\n"
            in heat.text(".md"))


def test_other_limits_are_named_and_no_mark_needs_no_words(tmp_path: Path) -> None:
    made = [cell("full", "float64", size, 5) for size in SIZES]
    made[0]["bound"]["limit"] = "transfer"
    chart = chart_of(figures(tmp_path, made), "x")
    assert chart.mark_label == "limited by compute; unmarked: by memory or transfer"
    chart = chart_of(figures(tmp_path, made[:2]), "x")
    assert chart.mark_label == ""
    assert "c: " not in markdown_of(figures(tmp_path, made[:2]), "x.svg")


def test_more_than_the_hardware_can_do_has_no_colour(tmp_path: Path) -> None:
    made = figures(tmp_path, [cell("full", "float64", 4, 5, fraction=1.4),
                              cell("full", "float64", 1, 5, fraction=1.01)])
    found = chart_of(made, "x").grids[0][0].cells
    assert found == {(0, 0): Cell(pytest.approx(1.01), "1.01"), (1, 0): Cell(None, "1.40!")}
    for text in (draw_heat(chart_of(made, "x")).standalone(), markdown_of(made, "x.svg")):
        assert "!: more than the hardware can do" in text


def test_cells_without_a_figure_say_why(tmp_path: Path) -> None:
    wrong = cell("strided", "float32", 4, 2, status="failed", reason="verification failed: x")
    made = cells()
    made[made.index(cell("strided", "float32", 4, 2))] = wrong
    made[made.index(cell("full", "float32", 31, 5))] = skipped(
        "a\nline", method="full", dtype="float32", filter_size=31, stride=5)
    made.remove(cell("full", "float64", 31, 5))
    found = figures(tmp_path, made, heat_map={"problems": ["filter 9x9: ended"]})
    grids = chart_of(found, "x").grids
    assert (2, 1) not in grids[0][0].cells and (2, 1) not in grids[1][0].cells
    assert (1, 1) not in grids[1][1].cells
    assert sorted(found.blanks) == ["full, float32, K 31, S 5: skipped: a?line",
                                    "full, float64, K 31, S 5: no record",
                                    "strided, float32, K 4, S 2: failed: verification failed: x"]
    text = markdown_of(found, "x.svg")
    assert "| 31 | 0.15 c |  |\n" in text and "| 31 | 0.35 c |  |\n" in text
    assert "## What is missing\n\n* filter 9x9: ended\n" in text
    assert "Blank: no figure" in chart_of(found, "x").notes[0]


def test_warnings_that_differ_by_numbers_are_one(tmp_path: Path) -> None:
    made = cells()
    for index, one in enumerate(made[:3]):
        one["warnings"] = [f"varies by {index}.5 %", "always"][:1 + index % 2]
    assert figures(tmp_path, made).warnings == ["3 records: varies by 0.5 %", "1 record: always"]


def fills(svg: str) -> list[str]:
    """Colours of what is filled with a style, which no scheme changes: cells and their texts."""
    return re.findall(r'style="[^"]*fill: (#[0-9a-f]{6})', svg)


def test_colours_are_those_of_the_values_and_of_no_scheme() -> None:
    svg = plot({(0, 0): Cell(0.0, "0.00"), (1, 1): Cell(0.5, "0.50")})
    for value in (0.0, 0.5):
        assert colour_of(value) in fills(svg)
    assert not {colour.light for colour in COLOURS} & set(fills(svg))
    assert colour_of(1.5) == colour_of(1.0) and colour_of(-1.0) == colour_of(0.0)


def test_lighter_is_more_and_texts_stand_out() -> None:
    steps = [luminance(colour_of(step / 50)) for step in range(51)]
    assert steps == sorted(steps) and len(set(steps)) == 51
    for step, light in enumerate(steps):
        svg = plot({(0, 0): Cell(step / 50, "text-of-it")})
        element = next(one for one in ElementTree.fromstring(svg).iter(f"{SVG}text")
                       if one.text == "text-of-it")
        ink = luminance(re.findall("#[0-9a-f]{6}", element.get("style") or "")[0])
        assert (max(ink, light) + 0.05) / (min(ink, light) + 0.05) >= 4.5


def test_a_mark_is_drawn_for_marked_cells_only() -> None:
    def shapes(*marked: bool) -> int:
        svg = plot({(0, place): Cell(0.5, "0.50", mark) for place, mark in enumerate(marked)})
        return len(re.findall("<path", svg))
    assert shapes(True, False) == shapes(False, False) + 3  # the map has that grid three times
    assert shapes(True, True) == shapes(False, False) + 6


def test_the_drawing_is_whole_and_fits() -> None:
    svg = plot({(0, 0): Cell(0.5, "0.50", True), (0, 1): Cell(None, "1.40!")},
               notes=["a note", "long " * 40], caption="words " * 40)
    found = texts(svg)
    for text in ("What <is> & seen", "full, float64", "filter K", "stride S", "31", "0.50", "1.40!",
                 "fraction", "0.8", "limited by compute", "a note"):
        assert text in found
    assert "limited by compute" not in texts(plot({}, mark_label=""))
    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)
    for element in root.iter(f"{SVG}text"):
        for x, y in re.findall(r"translate\(([-0-9.]+) ([-0-9.]+)\)",
                               element.get("transform") or ""):
            assert 0 < float(x) < width and 0 < float(y) < height, element.text
    assert svg == plot({(0, 0): Cell(0.5, "0.50", True), (0, 1): Cell(None, "1.40!")},
                       notes=["a note", "long " * 40], caption="words " * 40)
