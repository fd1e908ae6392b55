# SPDX-License-Identifier: Apache-2.0
"""Records as series of points, and the figures that follow from them."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Iterable, NamedTuple, Optional

from convscale.results import Record
from convscale.scaling.numbers import plural
from convscale.scaling.options import Request
from convscale.vocabulary import BACKENDS


class Key(NamedTuple):
    """What makes a series: who computes. The same on all plots."""

    backend: str
    kernel: str
    scope: str
    distribute: Optional[str] = None  # None of one rank

    @property
    def is_own(self) -> bool:
        """Of the program, and not of what it is compared with."""
        return self.backend in BACKENDS

    @property
    def label(self) -> str:
        if self.backend == "python":
            return self.kernel
        scope = "" if self.scope == "end-to-end" else f", {self.scope}"
        distribute = "" if self.distribute is None else f", {self.distribute}"
        return f"{self.backend} {self.kernel}{scope}{distribute}"


class Workload(NamedTuple):
    """What one plot may hold: methods and types are never mixed."""

    method: str
    dtype: str

    @property
    def label(self) -> str:
        return f"{self.method}, {self.dtype}"


@dataclass(frozen=True)
class Series:
    """Measured records of one key, in the order of what they are plotted against."""

    key: Key
    records: list[Record]


_BACKEND_ORDER = {"cpu": 0, "cuda": 1, "python": 2}



def key_of(record: Record) -> Key:
    raw = record.raw
    return Key(raw["backend"], raw["kernel"], raw["scope"], record.distribute)


def workload_of(record: Record) -> Workload:
    return Workload(record.raw["method"], record.raw["dtype"])


def all_keys(records: Iterable[Record]) -> list[Key]:
    """CPU first, then GPU, then Python, then the rest; by name. One rank after several, of whose
    series it is the first point."""
    return sorted({key_of(record) for record in records},
                  key=lambda key: (_BACKEND_ORDER.get(key.backend, 3), key[:3],
                                   key.distribute is None, key.distribute or ""))


def workloads(records: Iterable[Record]) -> list[Workload]:
    return list(dict.fromkeys(map(workload_of, records)))


def series_of(records: Iterable[Record], workload: Workload,
              by: Callable[[Record], Any]) -> list[Series]:
    """A series for each key; of two records at one place the later counts. A record of one rank is
    of each distribution's series, as nothing is distributed."""
    chosen = [record for record in records if workload_of(record) == workload]
    result = []
    keys = all_keys(chosen)
    distributed = {key[:3] for key in keys if key.distribute is not None}
    for key in keys:
        if key.distribute is None and key[:3] in distributed:
            continue
        own = (key, key._replace(distribute=None))
        places = {by(record): record for record in chosen if key_of(record) in own}
        result.append(Series(key, [places[place] for place in sorted(places)]))
    return result


@dataclass(frozen=True)
class Along:
    """What strong and weak scaling are plotted against: workers, or nodes with all their workers.
    """

    noun: str  # "worker" or "node"
    workers_each: int = 1

    def of(self, record: Record) -> float:
        """Its place on the axis."""
        return record.num_workers / self.workers_each

    def count(self, record: Record) -> int:
        return record.num_workers // self.workers_each

    def text(self, record: Record) -> str:
        """ "4 workers" or "4 nodes"."""
        return plural(self.count(record), self.noun)


def along_of(request: Request) -> Along:
    if request.nodes and request.workers_per_node is not None:
        return Along("node", request.workers_per_node)
    return Along("worker")


def is_in_turn_with_others(record: Record) -> bool:
    """Such times are not alike those of rows that were measured alone."""
    return bool(record.raw.get("interleaved"))


def side_of(record: Record) -> float:
    """Of a square with as many pixels."""
    return math.sqrt(record.raw["height"] * record.raw["width"])


def size_of(record: Record) -> tuple[int, int, int]:
    """By pixels; as sizes of different shapes may have as many, by the height then."""
    height, width = record.raw["height"], record.raw["width"]
    return height * width, height, width


def rate(record: Record, name: str) -> Optional[float]:
    """`images_per_s` or `pixels_per_s`, from the median; null with a work time."""
    if record.raw.get("work_time") is not None or record.median_s <= 0:
        return None
    amount = record.images if name == "images_per_s" else record.pixels
    return amount / record.median_s


def speedup(series: Series, record: Record) -> float:
    """Against the fewest workers of the series; those count as they are."""
    return series.records[0].median_s / record.median_s


def efficiency(series: Series, record: Record) -> float:
    """Strong scaling: speed-up over the growth of the workers."""
    return speedup(series, record) * series.records[0].num_workers / record.num_workers


def balance(images: int, workers: int) -> float:
    """N / (W ceil(N / W)): what whole images allow."""
    return images / (workers * math.ceil(images / workers)) if images > 0 else 0.0


def fraction(record: Record) -> Optional[float]:
    bound = record.bound_s
    return None if bound is None or record.median_s <= 0 else bound / record.median_s


def figure(record: Record, name: str) -> Optional[float]:
    """A figure of the bound."""
    value: Any = (record.raw["bound"] or {}).get(name)
    return None if value is None else float(value)

