# SPDX-License-Identifier: Apache-2.0
"""The parameters of the model, from measured records."""
from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Sequence

import numpy as np
from scipy.optimize import nnls

from convscale.model.network import Job, Machine, local_s, scatter_s
from convscale.results import Record
from convscale.vocabulary import BACKENDS

_ITEM_BYTES = {"float64": 8, "float32": 4}
_REACH = 16  # times the most ranks that were measured


class Kind(NamedTuple):
    """What a node does: records of one kind share its time for an image."""

    method: str
    dtype: str
    height: int
    width: int
    backend: str
    kernel: str
    workers: int  # of a rank
    filter_size: int
    stride: int

    @property
    def label(self) -> str:
        workers = f"{self.workers} worker{'' if self.workers == 1 else 's'}"
        return (f"{self.method}, {self.dtype}, {self.height}x{self.width}, {self.backend} "
                f"{self.kernel}, {workers}")

    def job(self, images: int) -> Job:
        return Job(images, self.height, self.width, _ITEM_BYTES[self.dtype], self.filter_size,
                   self.stride)


@dataclass(frozen=True)
class Network:
    """None: no record says it."""

    link_bytes_per_s: Optional[float]
    message_s: float
    link_records: int
    link_error: float  # the worst, relative
    link_ranks: tuple[int, ...]  # numbers of ranks in those records
    link_exchanges: int  # of unlike bytes or ranks; the other records repeat them
    link_unknowns: int  # 1 where nothing tells the message from the bytes: it is 0 then
    barrier_s: Optional[float]  # for each doubling of the ranks
    barrier_records: int
    barrier_ranks: tuple[int, ...]

    @property
    def reach(self) -> int:
        """The most nodes for which the measured link is told: farther from what was measured, its
        latency would be a guess."""
        return _REACH * max(self.link_ranks, default=1)


@dataclass(frozen=True)
class Fit:
    machines: dict[Kind, Machine]  # in the order of the records
    network: Network
    records: list[Record]  # that it was made from


class Check(NamedTuple):
    """A record beside the model."""

    record: Record
    kind: Kind
    model_s: float


def kind_of(record: Record) -> Optional[Kind]:
    """None where the ranks have unlike numbers of workers, or what is timed is no computing."""
    raw = record.raw
    if (record.num_workers % record.ranks or raw.get("work_time") is not None
            or raw["scope"] != "end-to-end" or raw["backend"] not in BACKENDS
            or raw["dtype"] not in _ITEM_BYTES):
        return None
    return Kind(raw["method"], raw["dtype"], raw["height"], raw["width"], raw["backend"],
                raw["kernel"], record.num_workers // record.ranks, raw["filter_size"],
                raw["stride"])


def fit(records: Sequence[Record]) -> Fit:
    """Of the measured ones. A machine's link is None where no record says it."""
    used = [record for record in records if record.is_measured and kind_of(record) is not None]
    network = fit_network(used)
    machines = {}
    for kind in dict.fromkeys(kind_of(record) for record in used):
        times = [time for record in records_of_nodes(used, kind)
                 if (time := _image_s(record)) is not None]
        if kind is not None and times:
            machines[kind] = Machine(kind.workers, statistics.median(times),
                                     network.link_bytes_per_s, network.message_s,
                                     network.barrier_s or 0.0)
    return Fit(machines, network, used)


def records_of_nodes(records: Sequence[Record], kind: Optional[Kind]) -> list[Record]:
    """That say what a node of this kind takes: of one rank, or else of images that are made where
    they are used, as there ranks may disturb each other."""
    own = [record for record in records if kind_of(record) == kind]
    alone = [record for record in own if record.ranks == 1]
    return alone or [record for record in own if record.distribute == "local"]


def fit_network(records: Sequence[Record]) -> Network:
    """Link and latency by least squares of relative errors, neither below 0; the barrier by the
    median."""
    sizes = [(float(record.raw["exchanged_bytes"]), record.ranks - 1, seconds)
             for record in records if (seconds := _network_s(record)) is not None]
    waited = [record for record in records
              if record.ranks > 1 and record.raw.get("barrier_s") is not None]
    barriers = [float(record.raw["barrier_s"]) / math.ceil(math.log2(record.ranks))
                for record in waited]
    per_byte, message, error, unknowns = _fit_link(sizes)
    return Network(1 / per_byte if per_byte > 0 else None, message, len(sizes), error,
                   tuple(sorted({others + 1 for _, others, _ in sizes})),
                   len({(size, others) for size, others, _ in sizes}), unknowns,
                   statistics.median(barriers) if barriers else None, len(barriers),
                   tuple(sorted({record.ranks for record in waited})))


def _fit_link(sizes: Sequence[tuple[float, int, float]]) -> tuple[float, float, float, int]:
    """Seconds a byte, seconds a message, the worst relative error, and how many of the first two
    the sizes tell."""
    if not sizes:
        return 0.0, 0.0, 0.0, 0
    rows = np.array([[size / seconds, ranks / seconds] for size, ranks, seconds in sizes])
    scale = rows.max(axis=0)
    unknowns = min(2, int(np.linalg.matrix_rank(rows / scale)))
    if unknowns < 2:  # one number of ranks and one size: only bytes
        per_byte = statistics.median(seconds / size for size, _, seconds in sizes)
        found = np.array([per_byte, 0.0])
    else:
        found = nnls(rows / scale, np.ones(len(sizes)))[0] / scale
    return float(found[0]), float(found[1]), float(np.max(np.abs(rows @ found - 1))), unknowns


def _network_s(record: Record) -> Optional[float]:
    """Time of the bare exchange of a record's bytes."""
    rate: Any = (record.raw["bound"] or {}).get("network_bytes_per_s")
    size: Any = record.raw.get("exchanged_bytes")
    if record.ranks == 1 or not rate or not size:
        return None
    return float(size) / float(rate)


def _image_s(record: Record) -> Optional[float]:
    """Of a record in which nothing is shipped; the closing barrier is no computing."""
    workers = record.num_workers // record.ranks
    per_worker = math.ceil(record.images / record.num_workers)
    computing = record.median_s - float(record.raw.get("barrier_s") or 0.0)
    return computing / (per_worker * workers) if computing > 0 else None


def checks(found: Fit) -> list[Check]:
    """The model beside each record that it can tell."""
    made = []
    for record in found.records:
        kind = kind_of(record)
        machine = None if kind is None else found.machines.get(kind)
        if kind is None or machine is None:
            continue
        if record.distribute == "scatter" and record.ranks > 1:
            if machine.link_bytes_per_s is None:
                continue
            made.append(Check(record, kind, scatter_s(kind.job(record.images), machine,
                                                      record.ranks)))
        else:
            made.append(Check(record, kind, local_s(kind.job(record.images), machine,
                                                    record.ranks)))
    return made
