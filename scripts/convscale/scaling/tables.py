# SPDX-License-Identifier: Apache-2.0
"""The tables of a report: headings and cells as text."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional, Sequence

from convscale.results import Record
from convscale.scaling import ranks
from convscale.scaling.collect import Sweep
from convscale.scaling.numbers import (count_text, percent_text, rate_text, ratio_text, time_text,
                                       workload_text)
from convscale.scaling.series import (Series, along_of, balance, efficiency, fraction, key_of,
                                      rate, series_of, size_of, speedup, workloads)
from convscale.schema import sides_of
from convscale.text import fraction_text


@dataclass(frozen=True)
class Table:
    title: str
    header: list[str]
    rows: list[list[str]]
    texts: int  # columns at the left that hold text; the rest hold numbers


_COMMON = ["median", "fastest", "slowest", "cv"]


def tables(sweep: Sweep) -> list[Table]:
    """Those that have rows."""
    along = along_of(sweep.request)
    made = [*_study(sweep, "strong", "Strong scaling", along.of,
                    ["images/s", "speed-up", "efficiency", "whole images allow", "of bound",
                     "limit"], _strong_cells),
            *_study(sweep, "weak", "Weak scaling", along.of,
                    ["images/s", "efficiency", "of bound", "limit"], _weak_cells),
            *_study(sweep, "throughput", "Throughput over sizes", size_of,
                    ["images/s", "pixels/s", "of bound", "limit"], _size_cells),
            *_ranks(sweep, "strong"), *_ranks(sweep, "weak"),
            _break_even(sweep), _not_measured(sweep)]
    return [table for table in made if table.rows]


def _study(sweep: Sweep, mode: str, title: str, by: Callable[[Record], Any], header: list[str],
           cells: Callable[[Series, Record], list[str]]) -> Iterator[Table]:
    records = sweep.of_study(mode)
    request = sweep.request
    nodes = ["nodes"] if request.nodes else []
    for workload in workloads(records):
        rows = [[one.key.label, workload_text(record),
                 *(str(request.nodes_of(record.num_workers)) for _ in nodes),
                 str(record.num_workers), *_common_cells(record), *cells(one, record)]
                for one in series_of(records, workload, by) for record in one.records]
        yield Table(f"{title}: {workload.label}",
                    ["series", "images", *nodes, "workers", *_COMMON, *header], rows, 2)


def _ranks(sweep: Sweep, mode: str) -> Iterator[Table]:
    along = along_of(sweep.request)
    records = sweep.of_study(mode)
    for workload in workloads(records):
        yield Table(f"Ranks in {mode} scaling: {workload.label}", ranks.HEADER,
                    ranks.rows(series_of(records, workload, along.of), along), ranks.TEXTS)


def _common_cells(record: Record) -> list[str]:
    times = record.times_s
    cv: Optional[float] = record.raw.get("cv")
    return [time_text(record.median_s), time_text(min(times, default=None)),
            time_text(max(times, default=None)), percent_text(cv)]


def _bound_cells(record: Record) -> list[str]:
    return [fraction_text(fraction(record)), str((record.raw["bound"] or {}).get("limit") or "-")]


def _strong_cells(series: Series, record: Record) -> list[str]:
    limit = None if series.key.backend == "cuda" else balance(record.images, record.num_workers)
    return [rate_text(rate(record, "images_per_s")), ratio_text(speedup(series, record)),
            ratio_text(efficiency(series, record)), ratio_text(limit), *_bound_cells(record)]


def _weak_cells(series: Series, record: Record) -> list[str]:
    return [rate_text(rate(record, "images_per_s")),
            ratio_text(series.records[0].median_s / record.median_s), *_bound_cells(record)]


def _size_cells(_series: Series, record: Record) -> list[str]:
    pixels = rate(record, "pixels_per_s")
    return [rate_text(rate(record, "images_per_s")),
            "-" if pixels is None else f"{pixels / 1e6:.1f} M", *_bound_cells(record)]


def _break_even(sweep: Sweep) -> Table:
    rows = []
    for entry in sweep.document["break_even"]:
        images = entry["images_from"]
        kernels = [f"{entry[side]['kernel']}, {entry[side]['num_workers']}"
                   for side in sides_of(entry)]
        rows.append([f"{entry['method']}, {entry['dtype']}", f"{entry['height']}x{entry['width']}",
                     *kernels,
                     count_text(images) if images is not None
                     else str(entry.get("images_reason") or "never"),
                     time_text(entry.get("cpu_s")), time_text(entry.get("resident_s")),
                     time_text(entry.get("upload_s")),
                     str(entry["passes"]) if entry.get("passes") is not None
                     else str(entry.get("passes_reason") or "never")])
    return Table("When the GPU pays", ["workload", "size", "CPU kernel, workers",
                                       "GPU kernel, streams", "from images", "CPU pass",
                                       "pass over resident data", "one upload", "passes to pay"],
                 rows, 4)


def _not_measured(sweep: Sweep) -> Table:
    rows = [[key_of(record).label, f"{record.raw['method']}, {record.raw['dtype']}",
             workload_text(record), str(record.num_workers), str(record.raw["status"]),
             str(record.raw.get("reason") or "-")]
            for record in sweep.records if not record.is_measured]
    return Table("Not measured", ["series", "workload", "images", "workers", "status", "reason"],
                 rows, 6)


def column_alignments(table: Table) -> Sequence[str]:
    return ["left" if index < table.texts else "right" for index in range(len(table.header))]
