# SPDX-License-Identifier: Apache-2.0
"""Times of an iteration over nodes, by formula. docs/scaling.md derives them.

A node here is a rank: what computes as one, and has one link to the others.
"""
from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import NamedTuple, Optional

GBIT = 1e9 / 8  # bytes a second of 1 Gbit/s


@dataclass(frozen=True)
class Job:
    """The images of an iteration, and what of them crosses a network."""

    images: int
    height: int
    width: int
    item_bytes: int = 8
    filter_size: int = 4
    stride: int = 5

    @property
    def sent_bytes(self) -> int:
        """Of an image and its filter, to a rank."""
        return (self.height * self.width + self.filter_size**2) * self.item_bytes

    @property
    def returned_bytes(self) -> int:
        """Of a result, from a rank."""
        rows, columns = (-(-(side + self.filter_size - 1) // self.stride)
                         for side in (self.height, self.width))
        return rows * columns * self.item_bytes

    @property
    def image_bytes(self) -> int:
        """Of an image with its filter and its result."""
        return self.sent_bytes + self.returned_bytes

    @property
    def text(self) -> str:
        return f"{self.images} image{'' if self.images == 1 else 's'} of {self.height}x{self.width}"


@dataclass(frozen=True)
class Machine:
    """Nodes that are all alike, and their network."""

    workers: int  # of a node
    image_s: float  # time for which an image occupies a whole node
    link_bytes_per_s: Optional[float]  # of rank 0, both directions one after the other
    message_s: float = 0.0  # for each other rank
    barrier_s: float = 0.0  # for each doubling of the ranks

    def with_link(self, bytes_per_s: float) -> Machine:
        """The same nodes on another network, whose messages cost nothing but their bytes."""
        return replace(self, link_bytes_per_s=bytes_per_s, message_s=0.0)


def compute_s(job: Job, machine: Machine, nodes: int) -> float:
    """Of the busiest worker: whole images, and all workers of a node share what it can do."""
    return math.ceil(job.images / (nodes * machine.workers)) * machine.workers * machine.image_s


def barrier_s(machine: Machine, nodes: int) -> float:
    return machine.barrier_s * math.ceil(math.log2(nodes))


def local_s(job: Job, machine: Machine, nodes: int) -> float:
    """Each node has its images: computing, then the closing barrier."""
    return compute_s(job, machine, nodes) + barrier_s(machine, nodes)


def exchanged_bytes(job: Job, nodes: int) -> float:
    """Through rank 0's link in an iteration: the shares of all others, and their results."""
    return job.images * (nodes - 1) / nodes * job.image_bytes


def link_s(job: Job, machine: Machine, nodes: int) -> float:
    """Rank 0's link, with nothing else to wait for."""
    assert machine.link_bytes_per_s is not None
    return (exchanged_bytes(job, nodes) / machine.link_bytes_per_s
            + (nodes - 1) * machine.message_s)


def scatter_s(job: Job, machine: Machine, nodes: int) -> float:
    """Ranges are computed as they arrive, so that the longer of both counts: a lower bound, as the
    last range is computed and returned after all others have arrived."""
    return max(compute_s(job, machine, nodes), link_s(job, machine, nodes)) + barrier_s(machine,
                                                                                        nodes)


def crossover_nodes(job: Job, machine: Machine) -> float:
    """From how many nodes on the link, not the nodes, bounds scatter: where N c / n, the computing,
    meets N (1 - 1/n) b / B, the link. Whatever N is; whole images and latencies aside."""
    assert machine.link_bytes_per_s is not None
    return 1 + machine.image_s * machine.link_bytes_per_s / job.image_bytes


def floor_s(job: Job, link_bytes_per_s: float) -> float:
    """What scatter tends to with many nodes, however fast they are."""
    return job.images * job.image_bytes / link_bytes_per_s


def bound_from(job: Job, machine: Machine, most: int) -> Optional[int]:
    """The least number of nodes, from 2 to `most`, with which the link takes as long as the
    computing: with whole images and latencies, which crossover_nodes() leaves aside."""
    counts = range(2, most + 1)  # the link's time rises with them, the computing's falls
    place = bisect_left(counts, True, key=lambda nodes: link_s(job, machine, nodes)
                        >= compute_s(job, machine, nodes))
    return counts[place] if place < len(counts) else None


class Speedup(NamedTuple):
    factor: float
    nodes: int


def best_speedup(job: Job, machine: Machine, most: int) -> Speedup:
    """Of scatter with 2 to `most` nodes over one node, and with how many: a factor under 1 says
    that scatter never pays."""
    # Once the link is the longer, or no worker has more than one image, more nodes only cost.
    enough = max(2, math.ceil(job.images / machine.workers))
    last = min(most, enough, bound_from(job, machine, most) or most)
    nodes = min(range(2, last + 1), key=lambda count: scatter_s(job, machine, count))
    return Speedup(scatter_s(job, machine, 1) / scatter_s(job, machine, nodes), nodes)
