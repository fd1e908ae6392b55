# SPDX-License-Identifier: Apache-2.0
"""Against the number of nodes: what is no computing, and how unlike the ranks are."""
from __future__ import annotations

from typing import Callable, Optional, Sequence

from convscale.plots.model import Axis, Chart, Line, Panel
from convscale.plots.style import GUIDE
from convscale.results import Record
from convscale.scaling.charts.common import Styles, along_axis
from convscale.scaling.numbers import percent_text
from convscale.scaling.ranks import communication, imbalance, of_several
from convscale.scaling.series import Along, Series, Workload, series_of


def rank_charts(study: str, records: Sequence[Record], workload: Workload, styles: Styles,
                along: Along) -> list[Chart]:
    """Share of communication, and slowest rank over fastest; none without several ranks."""
    series = of_several(series_of(records, workload, along.of))
    shares = _lines(series, styles, along, communication)
    if not shares:
        return []
    chosen = [record for one in series for record in one.records]
    factors = _lines(series, styles, along, imbalance)
    panels = [Panel(Axis("share of an iteration without computing", log=False, from_zero=True,
                         at_least=1.0), shares)]
    if factors:
        ends = [min(map(along.of, chosen)), max(map(along.of, chosen))]
        panels.append(Panel(Axis("time of the slowest rank over the fastest", log=False,
                                 at_least=1.0), [*factors, Line("alike", ends, [1.0, 1.0], GUIDE)],
                            height=190))
    return [Chart(f"{study}-ranks-{workload.method}-{workload.dtype}",
                  _title(series, workload, along),
                  f"{study.capitalize()} scaling over nodes: the share of an iteration in which "
                  "even the busiest worker did not compute, which is communication and waiting; "
                  "and how much longer the slowest rank took until it had done its part than the "
                  f"fastest. Medians ({workload.label}).", along_axis(chosen, along), panels)]


def _lines(series: Sequence[Series], styles: Styles, along: Along,
           value: Callable[[Record], Optional[float]]) -> list[Line]:
    lines = []
    for one in series:
        points = [(along.of(record), found) for record in one.records
                  if (found := value(record)) is not None]
        if points:
            lines.append(Line(one.key.label, [x for x, _ in points], [y for _, y in points],
                              styles[one.key]))
    return lines


def _title(series: Sequence[Series], workload: Workload, along: Along) -> str:
    """Of the series that communicates the most."""
    known = [(share, one) for one in series
             if (share := communication(one.records[-1])) is not None]
    if not known:
        return f"What is no computing ({workload.label})"
    share, one = max(known, key=lambda item: item[0])
    return (f"{along.text(one.records[-1])}: {percent_text(share)} of an iteration is no computing "
            f"({one.key.label}, {workload.label})")
