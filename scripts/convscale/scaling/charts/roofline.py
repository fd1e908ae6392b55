# SPDX-License-Identifier: Apache-2.0
"""The roofline: what bandwidth and arithmetic allow, and what each kernel reaches."""
from __future__ import annotations

import math
from typing import Mapping, Optional, Sequence

from convscale.plots.model import Axis, Chart, Line, Mark, Panel, Point
from convscale.plots.style import INK, Style
from convscale.results import Record
from convscale.scaling.charts.common import Styles
from convscale.scaling.numbers import plural, ratio_text
from convscale.scaling.series import figure, key_of
from convscale.text import is_impossible

_ROOFS = (Style(INK, "", (), 1.6), Style(INK, "", (6, 3), 1.6), Style(INK, "", (2, 2), 1.6))


def roofline_chart(records: Sequence[Record], dtype: str, styles: Styles) -> Optional[Chart]:
    """Records of one size and the most workers, of all methods; None without ceilings."""
    chosen = [record for record in records if record.raw["dtype"] == dtype]
    placed = [(intensity, work / record.median_s, record) for record in chosen
              if (found := _work(record, chosen)) and record.median_s > 0
              for intensity, work in [found]]
    roofs = _roofs(chosen)
    if not placed or not roofs:
        return None
    methods = list(dict.fromkeys(record.raw["method"] for record in chosen))
    points = [Point(key_of(record).label, intensity, rate / 1e9,
                    styles[key_of(record)], hollow=record.raw["method"] != methods[0])
              for intensity, rate, record in placed]
    knees = [peak / read for _, read, peak in roofs.values()]
    low = min(*[point.x for point in points], *knees) / 1.5
    high = max(max(knees) * 2, max(point.x for point in points) * _label_room(points))
    marks = [Mark(x, method) for method, x in {record.raw["method"]: intensity for
                                               intensity, _, record in placed}.items()]
    lines = [Line(name, [low, peak / read, high],
                  [low * read / 1e9, peak / 1e9, peak / 1e9], _ROOFS[index % len(_ROOFS)])
             for index, (name, read, peak) in enumerate(roofs.values())]
    return Chart(f"roofline-{dtype}", _title(placed, roofs, dtype),
                 "Roofline: the lines are the most that the measured read bandwidth (slope) and "
                 "the measured arithmetic peak (flat), each the best of the rows, allow at each "
                 "ratio of arithmetic to least "
                 f"bytes. {plural(chosen[0].num_workers, 'worker')}, images of "
                 f"{chosen[0].size}, {dtype}; each method has a ratio of its own. "
                 "On a GPU end to end the transfers limit, which this plot does not show.",
                 Axis("operations for each byte that must move, FLOP/byte", log=True),
                 [Panel(Axis("GFLOP/s", log=True), lines, points, marks, height=330)])


def _work(record: Record, others: Sequence[Record]) -> Optional[tuple[float, float]]:
    """(FLOP/byte, FLOP) of a record's workload; a baseline's are known from the program's row."""
    same = [other for other in [record, *others] if other.workload == record.workload]
    for other in sorted(same, key=lambda other: key_of(other).backend != "cpu"):
        flops, size = figure(other, "flops"), figure(other, "bytes")
        if flops and size and record.raw.get("work_time") is None:
            return flops / size, flops
    return None


def _roofs(records: Sequence[Record]) -> dict[str, tuple[str, float, float]]:
    """(name, bytes/s, FLOP/s) of each backend that measured both; the best of its rows."""
    roofs = {}
    for backend in dict.fromkeys(str(record.raw["backend"]) for record in records):
        own = [record for record in records if record.raw["backend"] == backend]
        reads = [rate for record in own if (rate := figure(record, "read_bytes_per_s"))]
        peaks = [rate for record in own if (rate := figure(record, "peak_flops_per_s"))]
        if reads and peaks:
            roofs[backend] = (f"{backend} roof", max(reads), max(peaks))
    return roofs


def _label_room(points: Sequence[Point]) -> float:
    """How much further than its rightmost point the axis reaches, for the labels there."""
    longest = max(len(point.label) for point in points)
    return math.pow(10.0, min(1.3, 0.1 + 0.05 * longest))


def _title(placed: Sequence[tuple[float, float, Record]],
           roofs: Mapping[str, tuple[str, float, float]], dtype: str) -> str:
    """Says the share of the roof that is drawn."""
    shares = [(share, record) for intensity, rate, record in placed
              if (roof := roofs.get(record.raw["backend"])) is not None
              and not is_impossible(share := rate / min(roof[2], intensity * roof[1]))]
    share, best = max(shares, key=lambda item: item[0], default=(0.0, None))
    if best is None:
        return f"What the hardware allows, and what is reached ({dtype})"
    return (f"{key_of(best).label} reaches {ratio_text(share)} of its roof "
            f"({best.raw['method']}, {dtype})")
