# SPDX-License-Identifier: Apache-2.0
"""CPU against GPU: time against the number of images, and from how many the GPU pays."""
from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional

from convscale.plots.model import Axis, Chart, Line, Mark, Panel
from convscale.plots.style import Style, series_style
from convscale.scaling.charts.common import Styles
from convscale.scaling.numbers import plural
from convscale.scaling.series import Key
from convscale.schema import sides_of
from convscale.text import time_unit


def break_even_charts(entries: Iterable[Mapping[str, Any]], size: tuple[int, int],
                      styles: Styles) -> list[Chart]:
    """One for each method and type: of the given size, or else of the first that was measured."""
    chosen: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entry in entries:
        place = (entry["method"], entry["dtype"])
        if all(entry[side]["points"] for side in sides_of(entry)) and (
                place not in chosen or (entry["height"], entry["width"]) == size):
            chosen[place] = entry
    return [_chart(entry, styles) for entry in chosen.values()]


def _chart(entry: Mapping[str, Any], styles: Styles) -> Chart:
    points = [point for side in sides_of(entry) for point in entry[side]["points"]]
    scale, unit = time_unit(max(point["median_s"] for point in points))
    pays: Optional[int] = entry["images_from"]
    measured = max(point["images"] for point in points)
    # A crossing far outside what was measured is told, not drawn: it would crush the points.
    drawn = pays is not None and pays <= 3 * measured
    last = max(measured, pays * 1.15) if drawn and pays is not None else measured
    lines = [line for index, side in enumerate(sides_of(entry))
             for line in _lines(entry, side, last, scale, _style(entry, side, index, styles))]
    marks = [Mark(pays, f"from {plural(pays, 'image')}")] if drawn and pays is not None else []
    workload = f"{entry['method']}, {entry['dtype']}, {entry['height']}x{entry['width']}"
    if pays is not None:
        title = f"The GPU pays from {plural(pays, 'image')} on ({workload})"
    else:
        title = (f"From how many images the GPU pays is not known ({workload})"
                 if entry.get("images_reason") else f"The GPU does not pay ({workload})")
    return Chart(f"break-even-{entry['method']}-{entry['dtype']}", title,
                 "Time of an iteration against the number of images, with both transfers on the "
                 "GPU. Points are medians, lines their fits of least squares; the GPU pays where "
                 "its line is below.", Axis("images", log=False, from_zero=True),
                 [Panel(Axis(f"time of an iteration, {unit}", log=False, from_zero=True), lines,
                        marks=marks)])


def _lines(entry: Mapping[str, Any], side: str, last: float, scale: float,
           style: Style) -> list[Line]:
    one = entry[side]
    label = f"{side} {one['kernel']}"
    dots = Line("" if one["fixed_s"] is not None else label,
                [point["images"] for point in one["points"]],
                [point["median_s"] / scale for point in one["points"]],
                style._replace(width=0.0 if one["fixed_s"] is not None else style.width))
    if one["fixed_s"] is None or one["per_image_s"] is None:
        return [dots]
    fixed, slope = one["fixed_s"], one["per_image_s"]
    start = -fixed / slope if fixed < 0 < slope else 0.0  # no time is negative
    fit = Line(label, [start, last], [(fixed + slope * x) / scale for x in (start, last)],
               style._replace(marker=""))
    return [fit, dots]


def _style(entry: Mapping[str, Any], side: str, index: int, styles: Styles) -> Style:
    key = Key(side, entry[side]["kernel"], "end-to-end")
    # A kernel that no row of the plots has looks like none of theirs.
    return styles.get(key, series_style(len(styles) + index))
