# SPDX-License-Identifier: Apache-2.0
"""Against the number of workers: time, throughput and efficiency; strong and weak scaling."""
from __future__ import annotations

from typing import Sequence

from convscale.plots.model import Axis, Chart, Line, Panel
from convscale.plots.style import GUIDE, MUTED, Style
from convscale.results import Record
from convscale.scaling.charts.common import (Styles, best, bound_lines, ideal_lines, rate_lines,
                                             time_axis, time_lines, times_text, workers_axis)
from convscale.scaling.numbers import (plural, rate_text, ratio_text, time_text,
                                       workload_text)
from convscale.scaling.series import (Series, Workload, balance, efficiency, rate, series_of,
                                      speedup, workers_of)

_LIMIT = Style(MUTED, "", (), 1.2)


def strong_charts(records: Sequence[Record], workload: Workload, styles: Styles) -> list[Chart]:
    """Time, then throughput and efficiency; none without records."""
    series = series_of(records, workload, workers_of)
    if not series:
        return []
    chosen = [record for one in series for record in one.records]
    suffix = f"{workload.method}-{workload.dtype}"
    return [_time_chart(chosen, series, workload, styles, suffix),
            _rate_chart(chosen, series, workload, styles, suffix)]


def _time_chart(records: list[Record], series: list[Series], workload: Workload, styles: Styles,
                suffix: str) -> Chart:
    axis, scale = time_axis(records)
    lines = [*time_lines(series, styles, workers_of, scale),
             *bound_lines(series, workers_of, lambda _, bound: bound / scale),
             *ideal_lines(series, lambda first, record: first.median_s * first.num_workers
                          / record.num_workers / scale)]
    return Chart(f"strong-time-{suffix}", _strong_title(series, workload),
                 f"Strong scaling: {workload_text(records[0])} ({workload.label}) on more and more "
                 "workers. Points are medians, vertical lines reach from the fastest to the "
                 "slowest iteration. Ideal: the time with the fewest workers, shared among "
                 "more. Bound: the least time that the hardware allows, from ceilings measured "
                 "in the same run.", workers_axis(records), [Panel(axis, lines)])


def _strong_title(series: list[Series], workload: Workload) -> str:
    one = best(series)
    first, last = one.records[0], one.records[-1]
    if first is last:
        return (f"{one.key.label} takes {time_text(first.median_s)} for {workload_text(first)} "
                f"with {plural(first.num_workers, 'worker')} ({workload.label})")
    return (f"{last.num_workers} workers are {times_text(speedup(one, last))} as fast as "
            f"{first.num_workers} ({one.key.label}, {workload.label})")


def _rate_chart(records: list[Record], series: list[Series], workload: Workload, styles: Styles,
                suffix: str) -> Chart:
    images = records[0].images
    rates = rate_lines(series, styles, workers_of, "images_per_s")
    bounds = bound_lines(series, workers_of, lambda record, bound: record.images / bound)
    shares = [Line(one.key.label, [record.num_workers for record in one.records],
                   [efficiency(one, record) for record in one.records], styles[one.key])
              for one in series if len(one.records) > 1]
    panels = [Panel(Axis("images a second", log=True), [*rates, *bounds])]
    if shares:
        panels.append(Panel(Axis("parallel efficiency", log=False, from_zero=True, at_least=1.0),
                            [*shares, *_limits(records, images)]))
    one = best(series)
    last = one.records[-1]
    speed = rate(last, "images_per_s")
    title = plural(last.num_workers, "worker") + (
        f": {rate_text(speed)} images a second" if speed is not None else "")
    if last is not one.records[0]:
        title += f", at an efficiency of {ratio_text(efficiency(one, last))}"
    title += f" ({one.key.label}, {workload.label})"
    return Chart(f"strong-rate-{suffix}", title,
                 f"The same runs as throughput, and as parallel efficiency: speed-up over the "
                 f"growth of the workers. Whole images: {images} images on W workers are "
                 f"balanced to N / (W ceil(N / W)) at best, which no schedule of whole images "
                 "exceeds.", workers_axis(records), panels)


def _limits(records: list[Record], images: int) -> list[Line]:
    """The ideal and what whole images allow, relative to the fewest workers."""
    fewest = min(record.num_workers for record in records)
    most = max(record.num_workers for record in records)
    counts = _all_counts(fewest, most, [record.num_workers for record in records])
    base = balance(images, fewest)
    ideal = Line("ideal", [fewest, most], [1.0, 1.0], GUIDE)
    if all(record.raw["backend"] == "cuda" for record in records):
        return [ideal]  # streams share a device
    return [ideal,
            Line("whole images", counts, [balance(images, count) / base for count in counts],
                 _LIMIT, steps=True)]


def _all_counts(fewest: int, most: int, measured: list[int]) -> list[int]:
    """Every number of workers, or so many that a plot can show them."""
    every = max(1, (most - fewest) // 2000)
    return sorted({*range(fewest, most + 1, every), *measured})


def weak_charts(records: Sequence[Record], workload: Workload, styles: Styles) -> list[Chart]:
    """Time against workers with the work of each fixed."""
    series = series_of(records, workload, workers_of)
    if not series:
        return []
    chosen = [record for one in series for record in one.records]
    axis, scale = time_axis(chosen)
    several = len(series) > 1 and _ratio([record.median_s for record in chosen]) > 10
    axis = Axis(axis.label, log=several, from_zero=not several)
    lines = [*time_lines(series, styles, workers_of, scale),
             *bound_lines(series, workers_of, lambda _, bound: bound / scale),
             *ideal_lines(series, lambda first, record: first.median_s / scale)]
    one = best(series)
    first, last = one.records[0], one.records[-1]
    each = plural(chosen[0].images // chosen[0].num_workers, "image")
    title = (f"{each} for each worker: {last.num_workers} workers take "
             f"{ratio_text(last.median_s / first.median_s)} times as long as {first.num_workers} "
             f"({one.key.label}, {workload.label})" if last is not first else
             f"{each} for each worker: {time_text(first.median_s)} ({one.key.label}, "
             f"{workload.label})")
    return [Chart(f"weak-time-{workload.method}-{workload.dtype}", title,
                  f"Weak scaling: {each} of {chosen[0].size} ({workload.label}) for each worker. "
                  "Flat is ideal. Points are medians, vertical lines reach from the fastest to "
                  "the slowest iteration; bound: the least time that the hardware allows.",
                  workers_axis(chosen), [Panel(axis, lines)])]


def _ratio(values: Sequence[float]) -> float:
    return max(values) / min(values) if min(values) > 0 else 1.0
