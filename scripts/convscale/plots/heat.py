# SPDX-License-Identifier: Apache-2.0
"""Draws a HeatMap with matplotlib. Lengths are pixels; the same map gives the same bytes.

Cells have the colours of `viridis`, which the colour-blind can tell apart, in the light and in the
dark scheme: they are figures, and not of the page. So they are no classes, as all other colours.
"""
from __future__ import annotations

import math
from typing import Any, Optional, Sequence

import matplotlib
from matplotlib.colors import to_hex
from matplotlib.patches import Polygon, Rectangle

from convscale.plots.canvas import (MARGIN, draw_text, draw_title, head_height, new_figure,
                                    settings, svg_of, text_width, wrap)
from convscale.plots.model import Cell, Grid, HeatMap
from convscale.plots.style import BACKGROUND, GRID, INK, MUTED, SMALL, TITLE_SIZE, WIDTH
from convscale.plots.svg import Svg, finish

_COLOURS = "viridis"
_DARK, _LIGHT = "#000001", "#fffffe"  # of texts in cells: none of the page's, which change
_WIDE, _TALL = 40.0, 22.0  # a cell
_ABOVE, _BELOW = 30.0, 36.0  # a grid: its title; the labels of its columns
_BESIDE = 20.0  # between grids
_TO_LABEL = 7.0
_LINE = 18.0
_BAR, _STEPS = 210.0, 50  # the scale of colours
_MARK = 5.0


def draw_heat(heat: HeatMap) -> Svg:
    """The finished plot."""
    with settings():
        return _draw(heat)


def _draw(heat: HeatMap) -> Svg:
    left = _label_room(heat)
    width = max(WIDTH, 2 * MARGIN - _BESIDE + max(
        (sum(left + _wide(grid) + _BESIDE for grid in row) for row in heat.grids), default=0.0))
    title = wrap(heat.title, TITLE_SIZE, width - 2 * MARGIN, bold=True)
    caption, notes = (
        [line for text in texts for line in wrap(text, SMALL, width - 2 * MARGIN)]
        for texts in ([heat.caption], heat.notes))
    talls = [_ABOVE + max(_TALL * len(grid.rows) for grid in row) + _BELOW for row in heat.grids]
    height = (head_height(title) + _LINE * (len(caption) + len(notes)) + sum(talls) + 64 + MARGIN)
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    draw_title(figure, height, title)
    top = _lines(figure, height - head_height(title), caption)
    for row, tall in zip(heat.grids, talls):
        x = MARGIN
        for grid in row:
            _draw_grid(figure, axes, heat, grid, x + left, top - _ABOVE)
            x += left + _wide(grid) + _BESIDE
        top -= tall
    _draw_scale(figure, axes, heat, left + MARGIN, top - 10)
    _lines(figure, top - 64, notes)
    return finish(heat.name, heat.title, heat.caption, round(width, 2), round(height, 2),
                  svg_of(figure))


def _lines(figure: Any, top: float, lines: Sequence[str]) -> float:
    """Below `top`; returns what is below them."""
    for line in lines:
        top -= _LINE
        draw_text(figure, MARGIN, top + 5, line, MUTED.light, SMALL)
    return top


def _label_room(heat: HeatMap) -> float:
    """Left of a grid."""
    texts = [heat.row_label, heat.column_label,
             *(text for row in heat.grids for grid in row for text in grid.rows)]
    return max(text_width(text, SMALL) for text in texts) + _TO_LABEL


def _wide(grid: Grid) -> float:
    """As wide as its title at least."""
    return max(_WIDE * len(grid.columns), text_width(grid.title, SMALL, bold=True))


def _draw_grid(figure: Any, axes: Any, heat: HeatMap, grid: Grid, x: float, top: float) -> None:
    draw_text(figure, x, top + 7, grid.title, INK.light, SMALL, weight="bold")
    bottom = top - _TALL * len(grid.rows)
    for row, text in enumerate(grid.rows):
        draw_text(figure, x - _TO_LABEL, top - _TALL * (row + 0.5), text, MUTED.light, SMALL,
                  ha="right", va="center_baseline")
    for column, text in enumerate(grid.columns):
        draw_text(figure, x + _WIDE * (column + 0.5), bottom - 16, text, MUTED.light, SMALL,
                  ha="center")
    draw_text(figure, x - _TO_LABEL, top + 7, heat.row_label, MUTED.light, SMALL, ha="right")
    draw_text(figure, x - _TO_LABEL, bottom - 16, heat.column_label, MUTED.light, SMALL, ha="right")
    for row in range(len(grid.rows)):
        for column in range(len(grid.columns)):
            _draw_cell(figure, axes, grid.cells.get((row, column)), x + _WIDE * column,
                       top - _TALL * (row + 1))


def _draw_cell(figure: Any, axes: Any, cell: Optional[Cell], x: float, y: float) -> None:
    """An outline where there is no colour."""
    colour = colour_of(cell.value) if cell is not None and cell.value is not None else None
    # Of the two, the ink that stands out.
    ink = MUTED.light if colour is None else _DARK if luminance(colour) > 0.179 else _LIGHT
    if colour is None:
        axes.add_patch(Rectangle((x + 1.5, y + 1.5), _WIDE - 3, _TALL - 3, linewidth=1,
                                 facecolor=BACKGROUND.light, edgecolor=GRID.light))
    else:
        axes.add_patch(Rectangle((x + 0.5, y + 0.5), _WIDE - 1, _TALL - 1, linewidth=0,
                                 facecolor=colour))
    if cell is not None:
        draw_text(figure, x + _WIDE / 2, y + _TALL / 2, cell.text, ink, SMALL, ha="center",
                  va="center_baseline")
        if cell.is_marked:
            _draw_mark(axes, x + _WIDE - 1.5, y + _TALL - 1.5, ink)


def _draw_mark(axes: Any, x: float, y: float, colour: str) -> None:
    """Left of and below (x, y), near the corner of a cell."""
    axes.add_patch(Polygon([(x - _MARK, y), (x, y), (x, y - _MARK)], linewidth=0,
                           facecolor=colour))


def _draw_scale(figure: Any, axes: Any, heat: HeatMap, x: float, top: float) -> None:
    for step in range(_STEPS):
        begin = x + _BAR * step / _STEPS
        # Each reaches below the next, so that no gap shines through.
        axes.add_patch(Rectangle((begin, top - 12), x + _BAR - begin, 12, linewidth=0,
                                 facecolor=colour_of((step + 0.5) / _STEPS)))
    for tick in range(6):
        draw_text(figure, x + _BAR * tick / 5, top - 27, f"{tick / 5:g}", MUTED.light, SMALL,
                  ha="center")
    draw_text(figure, x, top - 44, heat.value_label, MUTED.light, SMALL)
    if heat.mark_label:
        _draw_mark(axes, x + _BAR + 40, top - 2, INK.light)
        for index, line in enumerate(wrap(heat.mark_label, SMALL, WIDTH - MARGIN - x - _BAR - 48)):
            draw_text(figure, x + _BAR + 48, top - 11 - 16 * index, line, MUTED.light, SMALL)


def colour_of(value: float) -> str:
    """As "#rrggbb"."""
    return str(to_hex(matplotlib.colormaps[_COLOURS](min(max(value, 0.0), 1.0))))


def luminance(colour: str) -> float:
    """Relative, of "#rrggbb", as WCAG 2 has it."""
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4)
                        for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
