# SPDX-License-Identifier: Apache-2.0
"""Against the size of the images, at a fixed number of pixels."""
from __future__ import annotations

from typing import Sequence

from convscale.plots.model import Axis, Chart, Panel
from convscale.results import Record
from convscale.scaling.charts.common import (Styles, best, bound_lines, rate_lines, time_axis,
                                             time_lines)
from convscale.scaling.numbers import count_text, digits, plural
from convscale.scaling.series import Series, Workload, rate, series_of, side_of, size_of


def size_charts(records: Sequence[Record], workload: Workload, styles: Styles) -> list[Chart]:
    """Time and pixels a second; none without records."""
    series = series_of(records, workload, size_of)
    if not series:
        return []
    chosen = [record for one in series for record in one.records]
    axis, scale = time_axis(chosen, "time of an iteration over all images")
    times = [*time_lines(series, styles, side_of, scale),
             *bound_lines(series, side_of, lambda _, bound: bound / scale)]
    unit, unit_name = _pixel_unit(chosen)
    rates = rate_lines(series, styles, side_of, "pixels_per_s", unit)
    bounds = bound_lines(series, side_of, lambda record, bound: record.pixels / bound / unit)
    workers = plural(chosen[0].num_workers, "worker")
    pixels = count_text(max(record.pixels for record in chosen))
    return [Chart(f"sizes-{workload.method}-{workload.dtype}", _title(series, workload, workers),
                  f"Images of different sizes, as many of each as make {pixels} pixels "
                  f"({workload.label}, {workers}). Points are medians, vertical lines "
                  "reach from the fastest to the slowest iteration; bound: what the hardware "
                  "allows.", _size_axis(chosen),
                  [Panel(axis, times, height=210),
                   Panel(Axis(f"{unit_name} pixels a second", log=True), [*rates, *bounds],
                         height=210)])]


def _pixel_unit(records: list[Record]) -> tuple[float, str]:
    most = max((rate(record, "pixels_per_s") or 0.0 for record in records), default=0.0)
    return (1e9, "10⁹") if most >= 1e9 else (1e6, "10⁶")


def _size_axis(records: list[Record]) -> Axis:
    names: dict[float, list[str]] = {}
    for record in sorted(records, key=size_of):
        height, width = record.raw["height"], record.raw["width"]
        name = str(height) if height == width else record.size
        if name not in names.setdefault(side_of(record), []):
            names[side_of(record)].append(name)
    ticks = [(side, ", ".join(alike)) for side, alike in sorted(names.items())]
    square = all(text.isdigit() for _, text in ticks)
    return Axis("side of an image, pixels" if square else "size of an image, pixels",
                log=True, ticks=ticks)


def _title(series: list[Series], workload: Workload, workers: str) -> str:
    one = best(series)
    fastest = max(one.records, key=lambda record: record.pixels / max(record.median_s, 1e-12))
    if len(one.records) == 1:
        return f"{one.key.label} over {fastest.size} images ({workload.label}, {workers})"
    slowest = min(one.records, key=lambda record: record.pixels / max(record.median_s, 1e-12))
    gain = (fastest.pixels / fastest.median_s) / (slowest.pixels / slowest.median_s)
    return (f"Images of {fastest.size} are the fastest, {digits(gain, 2)} times as many pixels a "
            f"second as {slowest.size} ({one.key.label}, {workload.label})")
