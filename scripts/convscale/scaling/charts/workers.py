# SPDX-License-Identifier: Apache-2.0
"""Against the number of workers or nodes: time, throughput and efficiency; strong and weak
scaling."""
from __future__ import annotations

from typing import Sequence

from convscale.plots.model import Axis, Chart, Line, Panel
from convscale.plots.style import GUIDE, MUTED, Style
from convscale.results import Record
from convscale.scaling.charts.common import (Styles, along_axis, best, bound_lines, ideal_lines,
                                             rate_lines, time_axis, time_lines, times_text)
from convscale.scaling.numbers import (plural, rate_text, ratio_text, time_text,
                                       workload_text)
from convscale.scaling.series import (Along, Series, Workload, balance, efficiency, rate,
                                      series_of, speedup)

_LIMIT = Style(MUTED, "", (), 1.2)


def strong_charts(records: Sequence[Record], workload: Workload, styles: Styles,
                  along: Along) -> list[Chart]:
    """Time, then throughput and efficiency; none without records."""
    series = series_of(records, workload, along.of)
    if not series:
        return []
    chosen = [record for one in series for record in one.records]
    suffix = f"{workload.method}-{workload.dtype}"
    return [_time_chart(chosen, series, workload, styles, suffix, along),
            _rate_chart(chosen, series, workload, styles, suffix, along)]


def _time_chart(records: list[Record], series: list[Series], workload: Workload, styles: Styles,
                suffix: str, along: Along) -> Chart:
    axis, scale = time_axis(records)
    lines = [*time_lines(series, styles, along.of, scale),
             *bound_lines(series, along.of, lambda _, bound: bound / scale),
             *ideal_lines(series, along, lambda first, record: first.median_s
                          * first.num_workers / record.num_workers / scale)]
    return Chart(f"strong-time-{suffix}", _strong_title(series, workload, along),
                 f"Strong scaling: {workload_text(records[0])} ({workload.label}) on more and more "
                 f"{along.noun}s. Points are medians, vertical lines reach from the fastest to the "
                 f"slowest iteration. Ideal: the time with the fewest {along.noun}s, shared among "
                 "more. Bound: the least time that the hardware allows, from ceilings measured "
                 "in the same run.", along_axis(records, along), [Panel(axis, lines)])


def _strong_title(series: list[Series], workload: Workload, along: Along) -> str:
    one = best(series)
    first, last = one.records[0], one.records[-1]
    if first is last:
        return (f"{one.key.label} takes {time_text(first.median_s)} for {workload_text(first)} "
                f"with {along.text(first)} ({workload.label})")
    return (f"{along.text(last)} are {times_text(speedup(one, last))} as fast as "
            f"{along.count(first)} ({one.key.label}, {workload.label})")


def _rate_chart(records: list[Record], series: list[Series], workload: Workload, styles: Styles,
                suffix: str, along: Along) -> Chart:
    images = records[0].images
    rates = rate_lines(series, styles, along.of, "images_per_s")
    bounds = bound_lines(series, along.of, lambda record, bound: record.images / bound)
    shares = [Line(one.key.label, [along.of(record) for record in one.records],
                   [efficiency(one, record) for record in one.records], styles[one.key])
              for one in series if len(one.records) > 1]
    panels = [Panel(Axis("images a second", log=True), [*rates, *bounds])]
    if shares:
        panels.append(Panel(Axis("parallel efficiency", log=False, from_zero=True, at_least=1.0),
                            [*shares, *_limits(records, images, along)]))
    one = best(series)
    last = one.records[-1]
    speed = rate(last, "images_per_s")
    title = along.text(last) + (
        f": {rate_text(speed)} images a second" if speed is not None else "")
    if last is not one.records[0]:
        title += f", at an efficiency of {ratio_text(efficiency(one, last))}"
    title += f" ({one.key.label}, {workload.label})"
    return Chart(f"strong-rate-{suffix}", title,
                 "The same runs as throughput, and as parallel efficiency: speed-up over the "
                 f"growth of the {along.noun}s. Whole images: {images} images on W workers are "
                 f"balanced to N / (W ceil(N / W)) at best, which no schedule of whole images "
                 "exceeds.", along_axis(records, along), panels)


def _limits(records: list[Record], images: int, along: Along) -> list[Line]:
    """The ideal and what whole images allow, relative to the fewest workers."""
    each = along.workers_each
    fewest = min(record.num_workers for record in records)
    most = max(record.num_workers for record in records)
    counts = [count * each for count in _all_counts(
        fewest // each, most // each, [along.count(record) for record in records])]
    base = balance(images, fewest)
    ideal = Line("ideal", [fewest / each, most / each], [1.0, 1.0], GUIDE)
    if all(record.raw["backend"] == "cuda" for record in records):
        return [ideal]  # streams share a device
    return [ideal,
            Line("whole images", [count / each for count in counts],
                 [balance(images, count) / base for count in counts], _LIMIT, steps=True)]


def _all_counts(fewest: int, most: int, measured: list[int]) -> list[int]:
    """Every number of workers or nodes, or so many that a plot can show them."""
    every = max(1, (most - fewest) // 2000)
    return sorted({*range(fewest, most + 1, every), *measured})


def weak_charts(records: Sequence[Record], workload: Workload, styles: Styles,
                along: Along) -> list[Chart]:
    """Time against workers or nodes with the work of each worker fixed."""
    series = series_of(records, workload, along.of)
    if not series:
        return []
    chosen = [record for one in series for record in one.records]
    axis, scale = time_axis(chosen)
    several = len(series) > 1 and _ratio([record.median_s for record in chosen]) > 10
    axis = Axis(axis.label, log=several, from_zero=not several)
    lines = [*time_lines(series, styles, along.of, scale),
             *bound_lines(series, along.of, lambda _, bound: bound / scale),
             *ideal_lines(series, along, lambda first, record: first.median_s / scale)]
    one = best(series)
    first, last = one.records[0], one.records[-1]
    each = plural(chosen[0].images // chosen[0].num_workers, "image")
    title = (f"{each} for each worker: {along.text(last)} take "
             f"{ratio_text(last.median_s / first.median_s)} times as long as {along.count(first)} "
             f"({one.key.label}, {workload.label})" if last is not first else
             f"{each} for each worker: {time_text(first.median_s)} ({one.key.label}, "
             f"{workload.label})")
    return [Chart(f"weak-time-{workload.method}-{workload.dtype}", title,
                  f"Weak scaling: {each} of {chosen[0].size} ({workload.label}) for each worker. "
                  "Flat is ideal. Points are medians, vertical lines reach from the fastest to "
                  "the slowest iteration; bound: the least time that the hardware allows.",
                  along_axis(chosen, along), [Panel(axis, lines)])]


def _ratio(values: Sequence[float]) -> float:
    return max(values) / min(values) if min(values) > 0 else 1.0
