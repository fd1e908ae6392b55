# SPDX-License-Identifier: Apache-2.0
"""The fitted model as Markdown, for docs/scaling.md and for a terminal."""
from __future__ import annotations

import math
from typing import Mapping, Optional, Sequence

from convscale.model.fit import Fit, Kind, checks, records_of_nodes
from convscale.model.network import (GBIT, Job, Machine, best_speedup, crossover_nodes, floor_s,
                                     local_s, scatter_s)
from convscale.model.published import DEFAULT_JOB, LARGE_JOB
from convscale.scaling.numbers import digits, time_text
from convscale.text import escape_markdown as escape

_NODES = (1, 2, 4, 16, 64, 256, 1000)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """`texts` columns at the left hold text; the rest hold numbers."""
    rule = "|" + "|".join("---" if i < texts else "---:" for i in range(len(header))) + "|"
    return "\n".join(["| " + " | ".join(map(escape, header)) + " |", rule,
                      *("| " + " | ".join(map(escape, row)) + " |" for row in rows)])


def fit_markdown(found: Fit, source: str) -> str:
    """What the records say of nodes and network, and how far the model is from them."""
    network = found.network
    link = ("not measured" if network.link_bytes_per_s is None else
            f"{digits(network.link_bytes_per_s / 1e9)} GB/s "
            f"({digits(network.link_bytes_per_s / GBIT, 3)} Gbit/s)")
    rows = [["rank 0's link, B", link, str(network.link_records)],
            ["for each other rank, λ", "not measured" if network.link_bytes_per_s is None
             else time_text(network.message_s), str(network.link_records)],
            ["barrier, for each doubling, β", "not measured" if network.barrier_s is None
             else time_text(network.barrier_s), str(network.barrier_records)]]
    rows += [[f"an image on a node, c ({kind.label})", time_text(machine.image_s),
              str(len(records_of_nodes(found.records, kind)))]
             for kind, machine in found.machines.items()]
    parts = [f"Fitted to {source}:", table(["parameter", "value", "records"], rows)]
    if network.link_records:
        parts.append(f"The line for the bare exchange misses its records by at most "
                     f"{100 * network.link_error:.1f} %.")
    made = checks(found)
    several = [check for check in made if check.record.ranks > 1]
    if several:
        parts += ["The model beside the records of several ranks:", table(
            ["record", "ranks", "distribution", "measured", "model", "measured / model"],
            [[f"{check.kind.label}, {check.record.images} images", str(check.record.ranks),
              str(check.record.distribute), time_text(check.record.median_s),
              time_text(check.model_s), digits(check.record.median_s / check.model_s, 3)]
             for check in several])]
    return "\n\n".join(parts)


def crossover_markdown(machines: Mapping[Kind, Machine], links: Sequence[float]) -> str:
    """From how many nodes on scatter is bound by rank 0's link."""
    rows = []
    for kind, machine in machines.items():
        job = kind.job(1)
        known = machine.link_bytes_per_s
        for name, link in [*([("as measured", known)] if known else []),
                           *((f"{link:g} Gbit/s", link * GBIT) for link in links)]:
            other = machine.with_link(link)
            nodes = crossover_nodes(job, other)
            rows.append([kind.label, name, digits(1 / machine.image_s, 4),
                         digits(link / job.image_bytes, 4), digits(nodes, 3),
                         str(max(2, math.ceil(nodes))), digits(best_speedup(job, other), 3)])
    return table(["a node", "link", "its images/s, 1 / c", "the link's images/s, B / b",
                  "crossover, n*", "bound from nodes", "best speed-up"], rows, texts=2)


def times_markdown(job: Job, machine: Machine, links: Sequence[float], most: int) -> str:
    """Times of the model for some numbers of nodes."""
    counts = [count for count in _NODES if count < most] + [most]
    machines: list[tuple[str, Optional[Machine]]] = [("local", None)]
    if machine.link_bytes_per_s is not None:
        machines.append(("scatter, as measured", machine))
    machines += [(f"scatter, {link:g} Gbit/s", machine.with_link(link * GBIT)) for link in links]
    rows = [[name, *(time_text(local_s(job, machine, count) if other is None
                               else scatter_s(job, other, count)) for count in counts)]
            for name, other in machines]
    return table(["nodes", *map(str, counts)], rows)


def floors_markdown(links: Sequence[float]) -> str:
    """What scatter cannot go below, whatever the nodes do: arithmetic, no measurement."""
    jobs = (DEFAULT_JOB, LARGE_JOB)
    return table(["link", *(f"{job.text}, {digits(job.images * job.image_bytes / 1e6)} MB"
                            for job in jobs)],
                 [[f"{link:g} Gbit/s", *(time_text(floor_s(job, link * GBIT)) for job in jobs)]
                  for link in links])
