# SPDX-License-Identifier: Apache-2.0
"""Draws a Chart with matplotlib. Lengths are pixels; the same chart gives the same bytes."""
from __future__ import annotations

import math
from typing import Any, Callable, Iterable, Sequence

import matplotlib
import matplotlib.ticker
from matplotlib.patches import Rectangle

from convscale.plots.canvas import (MARGIN, draw_text, draw_title, head_height, new_figure,
                                    settings, shorten, svg_of, text_width, wrap)
from convscale.plots.model import Axis, Chart, Line, Panel, Point
from convscale.plots.style import (BACKGROUND, GRID, INK, LINE_GAP, MUTED, SMALL, TITLE_SIZE,
                                   WIDTH, Style)
from convscale.plots.svg import Svg, finish
from convscale.plots.ticks import linear_ticks, log_ticks, spread, thin

_LEFT, _BOTTOM, _BETWEEN = 52.0, 44.0, 52.0
_WIDEST_LABEL = 170.0


def draw(chart: Chart) -> Svg:
    """The finished plot."""
    with settings():
        return _draw(chart)


def _draw(chart: Chart) -> Svg:
    title = wrap(chart.title, TITLE_SIZE, WIDTH - 2 * MARGIN, bold=True)
    head = head_height(title)
    heights = [_height(panel) for panel in chart.panels]
    height = head + sum(heights) + _BETWEEN * len(heights) + _BOTTOM
    figure = new_figure(WIDTH, height)
    draw_title(figure, height, title)
    labels = [line.label for panel in chart.panels for line in panel.lines if line.label]
    right = min(max((text_width(label, SMALL) for label in labels), default=0.0),
                _WIDEST_LABEL) + (26 if labels else MARGIN + 8)
    left = max([_LEFT] + [_tick_room(panel) for panel in chart.panels])
    top = height - head
    for index, (panel, tall) in enumerate(zip(chart.panels, heights)):
        top -= _BETWEEN if index else _BETWEEN / 2
        box = (left / WIDTH, (top - tall) / height, (WIDTH - left - right) / WIDTH, tall / height)
        axes = figure.add_axes(box)
        last = index == len(chart.panels) - 1
        _draw_panel(axes, chart, panel, last)
        draw_text(figure, MARGIN, top + 13, panel.y.label, MUTED.light, SMALL)
        _end_labels(figure, axes, panel.lines, WIDTH - right, (top - tall, top))
        top -= tall
    draw_text(figure, left + (WIDTH - left - right) / 2, top - 40, chart.x.label, MUTED.light,
              SMALL, ha="center")
    return finish(chart.name, chart.title, chart.caption, WIDTH, round(height, 2), svg_of(figure))


def _height(panel: Panel) -> float:
    labels = sum(1 for line in panel.lines if line.label)
    return max(panel.height, LINE_GAP * labels + 8, LINE_GAP * len(panel.points) + 50)


def _values(panel: Panel, of: Callable[[Line], Iterable[float]],
            point: Callable[[Point], float]) -> list[float]:
    return [value for line in panel.lines for value in of(line)] + [
        point(item) for item in panel.points]


def y_range(panel: Panel) -> tuple[float, float]:
    values = _values(panel, lambda line: [*line.ys, *(end for pair in line.spread or ()
                                                       for end in pair)], lambda item: item.y)
    if panel.y.log:
        values = [value for value in values if value > 0]
    if panel.y.at_least is not None:
        values.append(panel.y.at_least)
    return _padded(values, panel.y)


def _padded(values: Sequence[float], axis: Axis) -> tuple[float, float]:
    """The range of an axis: room around the values, and never a range of nothing."""
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    if axis.log:
        pad = max(0.06 * math.log(high / low), 0.12 if high > low else math.log(1.6))
        return low * math.exp(-pad), high * math.exp(pad)
    low = 0.0 if axis.from_zero else low
    pad = 0.06 * (high - low) or abs(high) * 0.5 or 1.0
    return (low if axis.from_zero else low - pad), high + pad


def _y_ticks(panel: Panel) -> list[tuple[float, str]]:
    return (log_ticks if panel.y.log else linear_ticks)(*y_range(panel))


def _tick_room(panel: Panel) -> float:
    return max((text_width(text, SMALL) for _, text in _y_ticks(panel)), default=0.0) + 18


def _x_range(chart: Chart) -> tuple[float, float]:
    values = [value for panel in chart.panels
              for value in _values(panel, lambda line: line.xs, lambda item: item.x)]
    return _padded([*values, *(position for position, _ in chart.x.ticks or ())], chart.x)


def _draw_panel(axes: Any, chart: Chart, panel: Panel, with_ticks: bool) -> None:
    axes.set_facecolor("none")
    axes.set_xscale("log" if chart.x.log else "linear")
    axes.set_yscale("log" if panel.y.log else "linear")
    axes.set_xlim(*_x_range(chart))
    axes.set_ylim(*y_range(panel))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED.light)
    axes.spines["bottom"].set_zorder(1)
    _set_ticks(axes.yaxis, _y_ticks(panel), True)
    _set_ticks(axes.xaxis, _x_ticks(axes, chart.x), with_ticks)
    axes.grid(True, axis="y", color=GRID.light, linewidth=1)
    axes.tick_params(axis="y", length=0, pad=6)
    axes.tick_params(axis="x", length=4, width=1, pad=4)
    axes.tick_params(which="both", colors=MUTED.light, labelsize=SMALL)
    axes.set_axisbelow(True)
    for line in panel.lines:
        _draw_line(axes, line)
    _draw_points(axes, panel.points)
    for mark in panel.marks:
        axes.axvline(mark.x, color=MUTED.light, linewidth=1, zorder=1.5)
        where = axes.transData.transform((mark.x, axes.get_ylim()[1]))
        box = axes.get_window_extent()
        to_left = where[0] + 6 + text_width(mark.text, SMALL) > box.x1
        _box_text(axes, (where[0] + (-6 if to_left else 6), box.y1 - 4), mark.text, INK.light,
                  ha="right" if to_left else "left", va="top")


def _set_ticks(axis: Any, ticks: Sequence[tuple[float, str]], with_labels: bool) -> None:
    axis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.set_major_locator(matplotlib.ticker.FixedLocator([value for value, _ in ticks]))
    axis.set_major_formatter(matplotlib.ticker.FixedFormatter(
        [text if with_labels else "" for _, text in ticks]))


def _x_ticks(axes: Any, axis: Axis) -> list[tuple[float, str]]:
    low, high = axes.get_xlim()
    ticks = list(axis.ticks) if axis.ticks is not None else (
        log_ticks if axis.log else linear_ticks)(low, high)
    ticks = [tick for tick in ticks if low <= tick[0] <= high]
    places = [axes.transData.transform((value, axes.get_ylim()[1]))[0] for value, _ in ticks]
    return thin(ticks, places, [text_width(text, SMALL) for _, text in ticks], 8)


def _draw_line(axes: Any, line: Line) -> None:
    style = line.style
    for x, (low, high) in zip(line.xs, line.spread or ()):
        axes.plot([x, x], [low, high], color=style.colour.light, linewidth=1.2, zorder=2,
                  solid_capstyle="butt")
    axes.plot(line.xs, line.ys, color=style.colour.light, linewidth=style.width,
              drawstyle="steps-post" if line.steps else "default",
              linestyle=(0, style.dashes) if style.dashes else "-", dash_capstyle="butt",
              solid_joinstyle="round", zorder=3 if style.marker else 2.5, **_marker(style))


def _marker(style: Style, hollow: bool = False) -> dict[str, Any]:
    if not style.marker:
        return {}
    inside, edge = (BACKGROUND, style.colour) if hollow else (style.colour, BACKGROUND)
    return {"marker": style.marker, "markersize": 8, "markerfacecolor": inside.light,
            "markeredgecolor": edge.light, "markeredgewidth": 2 if hollow else 1}


def _draw_points(axes: Any, points: Sequence[Point]) -> None:
    """Labels stand to the right of their points, those of near points in one column."""
    box = axes.get_window_extent()
    places = [axes.transData.transform((point.x, point.y)) for point in points]
    placed = sorted(((float(x), float(y), point) for (x, y), point in zip(places, points)),
                    key=lambda item: (item[0], item[1]))
    columns: list[list[tuple[float, float, Point]]] = []
    for item in placed:
        if columns and item[0] - columns[-1][-1][0] < 60:
            columns[-1].append(item)
        else:
            columns.append([item])
    for column in columns:
        x = max(item[0] for item in column) + 14
        heights = spread([item[1] for item in column], LINE_GAP, box.y0 + 9, box.y1 - 24)
        for (px, py, point), y in zip(column, heights):
            _leader(axes, (px, py), (x, y), point.style.colour.light)
            _box_text(axes, (x + 3, y), point.label, point.style.colour.light, va="center")
            axes.plot([point.x], [point.y], linestyle="", zorder=4,
                      **_marker(point.style, point.hollow))


def _leader(axes: Any, start: Sequence[float], end: Sequence[float], colour: str) -> None:
    back = axes.transAxes.inverted()
    (x0, y0), (x1, y1) = back.transform(start), back.transform(end)
    axes.plot([x0, x1], [y0, y1], transform=axes.transAxes, color=colour, linewidth=0.8,
              zorder=2.8, clip_on=False)


def _box_text(axes: Any, where: Sequence[float], text: str, colour: str, **keywords: Any) -> None:
    """At a place in pixels, on a background that hides the grid and no line."""
    back = axes.transAxes.inverted()
    x, y = back.transform(where)
    drawn = axes.text(x, y, text, transform=axes.transAxes, color=colour, fontsize=SMALL,
                      zorder=3.5, **keywords)
    width, height = text_width(text, SMALL), SMALL
    left = where[0] - (width if drawn.get_ha() == "right" else 0)
    low = where[1] - (height if drawn.get_va() == "top" else height / 2)
    (x0, y0), (x1, y1) = (back.transform(corner) for corner in
                          ((left - 1, low - 1), (left + width + 1, low + height + 1)))
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, transform=axes.transAxes,
                             facecolor=BACKGROUND.light, edgecolor="none", zorder=1.2))


def _end_labels(figure: Any, axes: Any, lines: Sequence[Line], right: float,
                inside: tuple[float, float]) -> None:
    """The names of the lines in a column right of the axes, each at the height of its end."""
    named = [line for line in lines if line.label and line.xs]
    ends = [axes.transData.transform((line.xs[-1], line.ys[-1])) for line in named]
    places = spread([end[1] for end in ends], LINE_GAP, inside[0] + 4, inside[1] - 4)
    for line, end, y in zip(named, ends, places):
        colour = line.style.colour.light
        if abs(y - end[1]) > 3 or right - end[0] > 36:
            _leader(axes, (end[0] + 6, end[1]), (right + 6, y), colour)
        draw_text(figure, right + 9, y, shorten(line.label, SMALL, _WIDEST_LABEL), colour, SMALL,
                  va="center")
