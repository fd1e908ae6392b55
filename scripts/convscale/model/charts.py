# SPDX-License-Identifier: Apache-2.0
"""The model as a plot: time against nodes, with the original's published points."""
from __future__ import annotations

import math
from typing import Sequence

from convscale.model.fit import Kind
from convscale.model.network import GBIT, Job, Machine, bound_from, local_s, scatter_s
from convscale.model.published import POINTS
from convscale.plots.model import Axis, Chart, Line, Panel
from convscale.plots.style import MUTED, Style, series_style
from convscale.text import time_unit

_PUBLISHED = Style(MUTED, "D", (), 0.0)
_LOCAL, _MEASURED, _FIRST_LINK = 0, 1, 2  # places in the order of series' styles


def counts_up_to(most: int) -> list[int]:
    """Numbers of nodes, as close as a plot on a logarithmic axis can show them."""
    return sorted({*range(1, min(most, 64) + 1),
                   *(round(most**(step / 200)) for step in range(201)), most})


def model_chart(kind: Kind, job: Job, machine: Machine, links: Sequence[float],
                most: int, reach: int) -> Chart:
    """`links` in Gbit/s. The machine's own link is drawn where it is known, up to `reach` nodes."""
    nodes = counts_up_to(most)
    times = {"local": [local_s(job, machine, count) for count in nodes]}
    styles = {"local": series_style(_LOCAL)}
    if machine.link_bytes_per_s is not None:
        times["scatter, as measured"] = [scatter_s(job, machine, count) for count in nodes
                                         if count <= reach]
        styles["scatter, as measured"] = series_style(_MEASURED)
    for index, link in enumerate(links):
        name = f"scatter, {link:g} Gbit/s"
        other = machine.with_link(link * GBIT)
        times[name] = [scatter_s(job, other, count) for count in nodes]
        styles[name] = series_style(_FIRST_LINK + index)
    # They are of the full convolution, and methods are never compared.
    published = [point for point in POINTS if point.job == job and kind.method == "full"
                 and point.runtime.startswith("Dragon") and point.nodes <= most]
    every = [time for line in times.values() for time in line]
    every += [point.average_s for point in published]
    scale, unit = time_unit(math.sqrt(min(every) * max(every)))
    lines = [Line(name, nodes[:len(ys)], [time / scale for time in ys],
                  styles[name]._replace(marker="")) for name, ys in times.items()]
    if published:
        points = {point.nodes: point for point in published}
        chosen = [points[count] for count in sorted(points)]
        lines.append(Line("published, Dragon 0.3", [point.nodes for point in chosen],
                          [point.average_s / scale for point in chosen], _PUBLISHED))
    ticks = [(count, str(count)) for count in (1, 2, 4, 10, 20, 50, 100, 200, 500, 1000)
             if count <= most]
    return Chart(f"scaling-{kind.method}-{kind.dtype}-{job.height}x{job.width}",
                 _title(job, machine, links, most),
                 f"Model of an iteration over {job.text} ({kind.method}, {kind.dtype}) on nodes "
                 f"that take {machine.image_s * 1e6:.4g} us for an image. local: each node has its "
                 "images; scatter: rank 0 ships them. Links in Gbit/s are hypothetical, with "
                 "\N{GREEK SMALL LETTER LAMDA} = 0; the measured one is drawn up to 16 times the "
                 "most ranks measured. Published points are of other nodes and another program.",
                 Axis("nodes", log=True, ticks=ticks),
                 [Panel(Axis(f"time of an iteration, {unit}", log=True), lines, height=330)])


def _title(job: Job, machine: Machine, links: Sequence[float], most: int) -> str:
    fastest = max(links, default=None)
    if fastest is None:
        return f"Model of {job.text} over nodes"
    first = bound_from(job, machine.with_link(fastest * GBIT), most)
    if first is None:
        return f"Up to {most} nodes, no link of {fastest:g} Gbit/s bounds scatter ({job.text})"
    return (f"With a link of {fastest:g} Gbit/s, scatter is bound by it from {first} nodes on "
            f"({job.text})")
