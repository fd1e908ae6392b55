# SPDX-License-Identifier: Apache-2.0
"""From a results file to what a heat map shows: which figure stands where, and why some lack."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Sequence

from convscale.cli import UsageError
from convscale.results import Document, Record
from convscale.scaling.numbers import plural
from convscale.scaling.series import fraction
from convscale.text import fraction_text, printable
from convscale.vocabulary import CONFIGURATION, DTYPES, METHODS, WORKLOAD

COMPUTE = "compute"  # of limits, the one that is marked
_OF_PLACE = ("method", "dtype", "filter_size", "stride")
# What all figures must have in common. A kernel may not do all filters, and `auto` then takes
# another; `nodes` is no field.
_COMMON = tuple(name for name in (*WORKLOAD, *CONFIGURATION)
                if name not in (*_OF_PLACE, "kernel", "nodes"))


class Place(NamedTuple):
    """Of a cell."""

    method: str
    dtype: str
    filter_size: int
    stride: int


@dataclass(frozen=True)
class Figure:
    """What a cell shows."""

    fraction: float  # of the bound
    limit: str

    @property
    def text(self) -> str:
        return fraction_text(self.fraction)


@dataclass(frozen=True)
class Figures:
    """All cells, and what readers must know of them."""

    document: Document
    cells: dict[Place, Figure]
    methods: list[str]
    dtypes: list[str]
    filter_sizes: list[int]  # of all records, so that grids stand side by side
    strides: dict[str, list[int]]  # of each method
    blanks: list[str]  # why cells are blank, a line each
    problems: list[str]  # of the runs
    warnings: list[str]

    @property
    def limits(self) -> list[str]:
        """Those that occur, but for COMPUTE."""
        return sorted({figure.limit for figure in self.cells.values()} - {COMPUTE})

    @property
    def measured(self) -> list[Record]:
        return [record for record in self.document.records if _figure(record)]


def figures_of(document: Document) -> Figures:
    """Raises UsageError where the records are not those of one map."""
    places: dict[Place, Record] = {}
    for record in document.records:
        place = _place(record)
        if place in places:
            raise UsageError(f"{document.file}: has two records of {_name(place)}; give a file "
                             "that heatmap.py wrote, or one with each once")
        places[place] = record
    figured = [record for record in document.records if _figure(record)]
    for field in _COMMON:
        values = list(dict.fromkeys(str(record.raw.get(field)) for record in figured))
        if len(values) > 1:
            raise UsageError(f"{document.file}: has records of {field} {printable(values[0])} and "
                             f"{printable(values[1])}; a heat map is of one")
    methods = _in_order(METHODS, (place.method for place in places))
    dtypes = _in_order(DTYPES, (place.dtype for place in places))
    sizes = sorted({place.filter_size for place in places})
    strides = {method: sorted({place.stride for place in places if place.method == method})
               for method in methods}
    blanks = _blanks({Place(method, dtype, size, stride): places.get(
        Place(method, dtype, size, stride)) for method in methods for dtype in dtypes
        for size in sizes for stride in strides[method]})
    cells = {place: figure for place, record in places.items()
             if (figure := _figure(record)) is not None}
    return Figures(document, cells, methods, dtypes, sizes, strides, blanks, _problems(document),
                   _warnings(document.records))


def _place(record: Record) -> Place:
    return Place(*(record.raw[field] for field in _OF_PLACE))


def _name(place: Place) -> str:
    return printable(f"{place.method}, {place.dtype}, K {place.filter_size}, S {place.stride}")


def _figure(record: Record) -> Optional[Figure]:
    part = fraction(record) if record.is_measured else None
    return None if part is None else Figure(part, str((record.raw["bound"] or {}).get("limit")
                                                      or "what is not known"))


def _in_order(known: Sequence[str], names: Iterable[str]) -> list[str]:
    found = set(names)
    return [name for name in known if name in found] + sorted(found - set(known))


def _blanks(places: Mapping[Place, Optional[Record]]) -> list[str]:
    """Cells that have no figure for the same reason together."""
    reasons: dict[str, list[Place]] = {}
    for place, record in places.items():
        if record is None or _figure(record) is None:
            reasons.setdefault(_reason(record), []).append(place)
    return [f"{_name(found[0])}{_more(found)}: {reason}" for reason, found in reasons.items()]


def _reason(record: Optional[Record]) -> str:
    """Why there is no figure."""
    if record is None:
        return "no record"
    status = "no bound" if record.is_measured else str(record.raw["status"])
    reason = record.raw.get("reason")
    return printable(f"{status}: {reason}" if reason else status)


def _more(found: Sequence[Any]) -> str:
    return f" and {len(found) - 1} more" if len(found) > 1 else ""


def _problems(document: Document) -> list[str]:
    """Of runs, where heatmap.py wrote the file."""
    of_map = document.raw.get("heat_map")
    problems = of_map.get("problems") if isinstance(of_map, dict) else None
    return [printable(str(one)) for one in problems] if isinstance(problems, list) else []


def _warnings(records: Sequence[Record]) -> list[str]:
    """Those that differ by their numbers only are one."""
    found: dict[str, list[str]] = {}
    for record in records:
        for warning in record.raw.get("warnings") or []:
            found.setdefault(re.sub(r"[0-9.]+", "0", warning), []).append(warning)
    return [f"{plural(len(same), 'record')}: {printable(same[0])}" for same in found.values()]
