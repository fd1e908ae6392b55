# SPDX-License-Identifier: Apache-2.0
"""The fitted model as Markdown, for docs/scaling.md and for a terminal."""
from __future__ import annotations

from typing import Iterable, Sequence

from convscale.model.fit import Fit, Kind, Network, checks, records_of_nodes
from convscale.model.network import (GBIT, Job, Machine, best_speedup, bound_from,
                                     crossover_nodes, floor_s, local_s, scatter_s)
from convscale.model.published import DEFAULT_JOB, LARGE_JOB
from convscale.scaling.numbers import digits, plural, time_text
from convscale.text import markdown_table, printable

_NODES = (1, 2, 4, 16, 64, 256, 1000)


def fit_markdown(found: Fit, source: str) -> str:
    """What the records say of nodes and network, and how far the model is from them."""
    network = found.network
    link = ("not measured" if network.link_bytes_per_s is None else
            f"{digits(network.link_bytes_per_s / 1e9)} GB/s "
            f"({digits(network.link_bytes_per_s / GBIT, 3)} Gbit/s)")
    message = ("not measured" if network.link_bytes_per_s is None else
               "taken as 0" if network.link_unknowns < 2 else time_text(network.message_s))
    rows = [["rank 0's link, B", link, str(network.link_records), _ranks(network.link_ranks)],
            ["for each other rank, λ", message, str(network.link_records),
             _ranks(network.link_ranks)],
            ["barrier, for each doubling, β", "not measured" if network.barrier_s is None
             else time_text(network.barrier_s), str(network.barrier_records),
             _ranks(network.barrier_ranks)]]
    for kind, machine in found.machines.items():
        own = records_of_nodes(found.records, kind)
        rows.append([f"an image on a node, c ({kind.label})", time_text(machine.image_s),
                     str(len(own)), _ranks(record.ranks for record in own)])
    parts = [f"Fitted to {source}:",
             markdown_table(["parameter", "value", "records", "of ranks"], rows)]
    made = checks(found)
    several = [check for check in made if check.record.ranks > 1]
    notes = doubts(network)
    if any(len(records_of_nodes(found.records, kind)) == 1 for kind in found.machines):
        notes.append("A c of 1 record has nothing to check it" + (
            " but the records of several ranks below." if several else "."))
    if notes:
        parts.append("\n".join(f"* {note}" for note in notes))
    if several:
        parts += ["The model beside the records of several ranks:", markdown_table(
            ["record", "ranks", "distribution", "measured", "model", "measured / model"],
            [[f"{check.kind.label}, {check.record.images} images", str(check.record.ranks),
              printable(check.record.distribute or "-"), time_text(check.record.median_s),
              time_text(check.model_s), digits(check.record.median_s / check.model_s, 3)]
             for check in several])]
    return "\n\n".join(parts)


def _ranks(counts: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(counts)))) or "-"


def doubts(network: Network) -> list[str]:
    """How far the records bear the network's parameters out."""
    notes = []
    if network.link_bytes_per_s is not None:
        exchanges, error = network.link_exchanges, f"{100 * network.link_error:.1f} %"
        names = "B and λ are" if network.link_unknowns > 1 else "B is"
        if exchanges > network.link_unknowns:
            notes.append(f"The line for the bare exchange misses its records by at most {error}.")
        else:
            repeats = ("" if network.link_records == exchanges else
                       f" Repeats of an exchange lie at most {error} from the line.")
            notes.append(f"{names} from {plural(exchanges, 'exchange')} of unlike bytes or ranks, "
                         f"as many as there are unknowns: **nothing checks the line**.{repeats}")
        if network.link_unknowns < 2:
            notes.append("λ cannot be told from B by that: records of another size of job, or "
                         "number of ranks, would do.")
        elif len(network.link_ranks) == 1:
            notes.append(f"λ is from {network.link_ranks[0]} ranks only: that it grows with the "
                         "ranks is assumed, not measured.")
    if network.barrier_s is not None and len(network.barrier_ranks) == 1:
        notes.append(f"β is from {network.barrier_ranks[0]} ranks only: that it grows with their "
                     "doublings is assumed, not measured.")
    return notes


def links_text(network: Network) -> str:
    """What the names of links in the tables mean."""
    known = "" if network.link_bytes_per_s is None else (
        f"*As measured* is the link above with its λ, up to {network.reach} nodes, 16 times the "
        "most ranks measured. ")
    return (known + "Links in Gbit/s are hypothetical: that rate is B, and λ = 0. β is the fitted "
            "one everywhere.")


def crossover_markdown(found: Fit, jobs: Sequence[tuple[Kind, Job]], links: Sequence[float],
                       most: int) -> str:
    """From how many nodes on scatter is bound by rank 0's link, and what it gains at best."""
    rows = []
    for kind, job in jobs:
        machine = found.machines[kind]
        for name, other, reach in _networks(machine, links, most, found.network.reach):
            assert other.link_bytes_per_s is not None
            first, best = bound_from(job, other, reach), best_speedup(job, other, reach)
            rows.append([f"{kind.label}, {plural(job.images, 'image')}", name,
                         digits(1 / machine.image_s, 4),
                         digits(other.link_bytes_per_s / job.image_bytes, 4),
                         digits(crossover_nodes(job, other), 3),
                         f"over {reach}" if first is None else str(first),
                         digits(best.factor, 3), str(best.nodes)])
    return markdown_table(["a node", "link", "its images/s, 1 / c", "the link's images/s, B / b",
                  "crossover, n*", "bound from nodes", "best speed-up", "at nodes"], rows, texts=2)


def _networks(machine: Machine, links: Sequence[float], most: int,
              reach: int) -> list[tuple[str, Machine, int]]:
    """Names, nodes on those links, and up to how many the model tells of them."""
    known = [] if machine.link_bytes_per_s is None else [("as measured", machine, min(most, reach))]
    return known + [(f"{link:g} Gbit/s", machine.with_link(link * GBIT), most) for link in links]


def times_markdown(job: Job, machine: Machine, links: Sequence[float], most: int,
                   reach: int) -> str:
    """Times of the model for some numbers of nodes; of the measured link up to `reach` nodes."""
    counts = [count for count in _NODES if count < most] + [most]
    rows = [["local", *(time_text(local_s(job, machine, count)) for count in counts)]]
    rows += [[f"scatter, {name}", *(time_text(scatter_s(job, other, count)) if count <= last
                                    else "-" for count in counts)]
             for name, other, last in _networks(machine, links, most, reach)]
    return markdown_table(["nodes", *map(str, counts)], rows)


def floors_markdown(links: Sequence[float]) -> str:
    """What scatter cannot go below, whatever the nodes do: arithmetic, no measurement."""
    jobs = (DEFAULT_JOB, LARGE_JOB)
    return markdown_table(["link", *(f"{job.text}, {digits(job.images * job.image_bytes / 1e6)} MB"
                            for job in jobs)],
                 [[f"{link:g} Gbit/s", *(time_text(floor_s(job, link * GBIT)) for job in jobs)]
                  for link in links])
