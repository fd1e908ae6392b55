# SPDX-License-Identifier: Apache-2.0
"""What the charts of this package share."""
from __future__ import annotations

import math
from typing import Callable, Iterable, Mapping, Optional, Sequence

from convscale.plots.model import Axis, Line
from convscale.plots.style import BOUND, GUIDE, Style, series_style
from convscale.results import Record
from convscale.scaling.numbers import digits
from convscale.scaling.series import Along, Key, Series, all_keys, rate
from convscale.text import time_unit

Styles = Mapping[Key, Style]
Owner = tuple[str, str, Optional[str]]  # of a bound: backend, scope, distribution


def styles_of(records: Iterable[Record]) -> dict[Key, Style]:
    """A look for each series, the same on all plots of these records."""
    return {key: series_style(index) for index, key in enumerate(all_keys(records))}


def spread_of(record: Record) -> tuple[float, float]:
    """The fastest and the slowest iteration."""
    times = record.times_s or [record.median_s]
    return min(times), max(times)


def time_axis(records: Sequence[Record], what: str = "time of an iteration") -> tuple[Axis, float]:
    """The axis, and the length of its unit in seconds."""
    medians = [record.median_s for record in records if record.median_s > 0] or [1.0]
    scale, unit = time_unit(math.sqrt(min(medians)) * math.sqrt(max(medians)))
    return Axis(f"{what}, {unit}", log=True), scale


def along_axis(records: Iterable[Record], along: Along) -> Axis:
    counts = sorted({along.count(record) for record in records})
    return Axis(f"{along.noun}s", log=True, ticks=[(count, str(count)) for count in counts])


def time_lines(series: Sequence[Series], styles: Styles, by: Callable[[Record], float],
               scale: float) -> list[Line]:
    """Measured medians with their spread."""
    return [Line(one.key.label, [by(record) for record in one.records],
                 [record.median_s / scale for record in one.records], styles[one.key],
                 [(low / scale, high / scale) for low, high in map(spread_of, one.records)])
            for one in series]


def rate_lines(series: Sequence[Series], styles: Styles, by: Callable[[Record], float],
               name: str, scale: float = 1.0) -> list[Line]:
    """`name` a second, of series that have a rate."""
    lines = []
    for one in series:
        points = [(by(record), value / scale) for record in one.records
                  if (value := rate(record, name)) is not None]
        if points:
            lines.append(Line(one.key.label, [x for x, _ in points], [y for _, y in points],
                              styles[one.key]))
    return lines


def bound_lines(series: Sequence[Series], by: Callable[[Record], float],
                value: Callable[[Record, float], float]) -> list[Line]:
    """`value(record, bound in seconds)` of each backend, scope and distribution: the least bound of
    its rows."""
    lines = []
    owners = list(dict.fromkeys(map(_owner, series)))
    known = [owner for owner in owners if any(
        record.bound_s is not None for one in series if _owner(one) == owner
        for record in one.records)]
    for owner in known:
        least: dict[tuple[float, str], tuple[float, Record]] = {}
        for one in series:
            for record in one.records if _owner(one) == owner else ():
                bound = record.bound_s
                place = (by(record), record.size)
                if bound is not None and (place not in least or bound < least[place][0]):
                    least[place] = (bound, record)
        places = sorted(least)
        lines.append(Line(_bound_label(owner, known), [x for x, _ in places],
                          [value(least[place][1], least[place][0]) for place in places], BOUND))
    return lines


def _owner(series: Series) -> Owner:
    return series.key.backend, series.key.scope, series.key.distribute


def _bound_label(owner: Owner, known: Sequence[Owner]) -> str:
    """As much as tells them apart."""
    if len(known) == 1:
        return "bound"
    names = [owner[0]] if len({one[0] for one in known}) > 1 or owner[2] is None else []
    names += [owner[1]] if owner[1] != "end-to-end" else []
    return "bound " + ", ".join([*names, *([owner[2]] if owner[2] is not None else [])])


def ideal_lines(series: Sequence[Series], along: Along,
                values: Callable[[Record, Record], float], most: int = 3) -> list[Line]:
    """values(first, record) of each series with several points; of the first alone if there are
    many."""
    several = [one for one in series if len(one.records) > 1]
    chosen = several if len(several) <= most else several[:1]
    return [Line("ideal" if index == 0 else "", [along.of(record) for record in one.records],
                 [values(one.records[0], record) for record in one.records], GUIDE)
            for index, one in enumerate(chosen)]


def times_text(factor: float) -> str:
    return f"{digits(factor, 2)} times"


def best(series: Sequence[Series]) -> Series:
    """The program's series with the fastest record, end to end; or else what there is. There must
    be one."""
    own = [one for one in series if one.key.is_own] or list(series)
    own = [one for one in own if one.key.scope == "end-to-end"] or own
    return min(own, key=lambda one: min(record.median_s / max(record.pixels, 1)
                                        for record in one.records))
